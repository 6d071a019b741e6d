// Responses of a run, safe once they are there: lines of JSON that are only ever added, each on the disk before the
// next is counted.
#pragma once

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "data/file.h"

namespace glmv::eval {

using Json = nlohmann::json;

/// What a model answered, and to what.
struct Response {
  std::string task, sample;
  int64_t repeat = 0;
  std::string key;            ///< sha256 of everything that was sent: tokens or bytes, pixels, sampling, model
  std::string status = "ok";  ///< or "failed"
  std::string text, finish_reason, error;
  int64_t prompt_tokens = -1, completion_tokens = -1;  ///< -1: not told
  bool forced = false;                                 ///< the thinking was closed by us
  Json sent = Json::object();                          ///< prompt text and the hashes of which `key` is made
};

Json to_json(const Response& r);
/// Error (exit code 3) that names `where`.
Response response_from_json(const Json& json, const std::string& where);

/// A file that no other process holds at the same time. The lock goes with the process, however it ends. A file system
/// without locks is trusted.
class FileLock {
 public:
  /// Error: another process holds it (exit code 2; names `what` it writes), or the file cannot be made (exit code 3).
  FileLock(const std::string& path, const std::string& what);

 private:
  Descriptor file_;
};

/// A file of JSON lines. A torn last line, which a killed process leaves, is cut off when the file is opened to add.
class JsonLines {
 public:
  /// Opens for adding; the file is made if it is not there. Error: it cannot be (exit code 3), or another process adds
  /// to it (exit code 2).
  static JsonLines open(const std::string& path);
  /// Adds a line and waits until it is on the disk. Error (exit code 3) if it is not; what was written of it is taken
  /// back, so that the file stays whole.
  void add(const Json& json);
  int64_t torn_bytes() const { return torn_; }

 private:
  std::string path_;
  Descriptor file_;
  int64_t size_ = 0, torn_ = 0;
};

/// The values of a file of JSON lines; a torn last line is not among them. Empty if there is no file. Error (exit code
/// 3) for a whole line that is not JSON.
std::vector<Json> read_json_lines(const std::string& path);

/// The responses of a run's folder, and what of its files was passed over.
struct StoredResponses {
  std::map<std::string, Response> all;  ///< by ResponseStore::name_of
  std::vector<std::string> notes;       ///< "FILE line 7 is skipped: ..."
};

/// All responses*.jsonl files of a run folder: one for each shard, and they need no merging beyond lying there.
class ResponseStore {
 public:
  /// `shard` names the file to add to ("" or "2-of-3"). Error: as JsonLines::open.
  ResponseStore(const std::string& folder, const std::string& shard);
  /// A line that is no response is skipped, and noted; its sample counts as not asked. Of two different answers to the
  /// same request the later one counts, which is noted, too. Error (exit code 3) for an unreadable file.
  static StoredResponses read(const std::string& folder);

  /// The answer to exactly this, or nothing; failed requests count as not answered. A response of this sample to other
  /// input is not taken, and counted as stale.
  const Response* find(const std::string& task, const std::string& sample, int64_t repeat, const std::string& key);
  /// Safe to call from several threads.
  void add(const Response& r);
  int64_t stale() const { return stale_; }
  int64_t torn_bytes() const { return lines_.torn_bytes(); }
  const std::vector<std::string>& notes() const { return stored_.notes; }

  static std::string name_of(const std::string& task, const std::string& sample, int64_t repeat);

 private:
  JsonLines lines_;
  StoredResponses stored_;
  std::mutex mutex_;
  int64_t stale_ = 0;
};

}  // namespace glmv::eval
