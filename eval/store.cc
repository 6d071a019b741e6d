#include "eval/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <set>

#include "data/json_file.h"
#include "data/json_node.h"
#include "eval/bytes.h"
#include "eval/strict.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;

/// Bytes up to and with the last line end.
int64_t whole_bytes(const std::string& path) {
  if (!fs::exists(path)) return 0;
  const MappedFile file = MappedFile::open(path);
  const size_t end = file.text().rfind('\n');
  return end == std::string_view::npos ? 0 : static_cast<int64_t>(end) + 1;
}

/// False if another process holds a lock on the file. Not every file system has locks: without them nobody is kept out.
bool lock(int file) { return ::flock(file, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

/// What reading the lines of one file adds to `out`.
class LineReader {
 public:
  LineReader(std::string path, StoredResponses& out) : path_(std::move(path)), out_(out) {}

  void read() {
    const MappedFile file = MappedFile::open(path_);
    std::string_view text = file.text();
    for (int64_t line = 1; !text.empty(); ++line) {
      const size_t end = text.find('\n');
      const std::string where = concat(path_, " line ", line);
      if (end == std::string_view::npos)
        return note(where, concat("it has no end (", text.size(), " bytes): the process that wrote it was stopped"));
      try {
        add(response_from_json(parse_json_object(std::string(text.substr(0, end)), where), where), where);
      } catch (const Error& e) {
        note(where, e.what());
      }
      text.remove_prefix(end + 1);
    }
  }

 private:
  void note(const std::string& where, const std::string& why) {
    out_.notes.push_back(concat(where, " is skipped: ", why.starts_with(where) ? why.substr(where.size() + 2) : why));
  }

  /// A later line takes an earlier one's place, but a failure never that of an answer to the same input.
  void add(Response&& r, const std::string& where) {
    Response& place = out_.all[ResponseStore::name_of(r.task, r.sample, r.repeat)];
    const bool same_request = !place.key.empty() && r.key == place.key;
    if (same_request && place.status == "ok" && r.status != "ok") return;
    if (same_request && place.status == "ok" && r.text != place.text)
      out_.notes.push_back(concat(where, ": another answer to ", r.task, ' ', r.sample,
                                  " than a line before it; this one, the later, counts"));
    place = std::move(r);
  }

  std::string path_;
  StoredResponses& out_;
};

}  // namespace

FileLock::FileLock(const std::string& path, const std::string& what)
    : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (file_.get() < 0) input_error(path, ": cannot be written: ", std::strerror(errno));
  if (!lock(file_.get())) usage_error(what, ": another process is writing there; wait for its end");
}

Json to_json(const Response& r) {
  Json out = {{"task", r.task},
              {"sample", r.sample},
              {"repeat", r.repeat},
              {"key", r.key},
              {"status", r.status},
              {"text", r.text},
              {"finish_reason", r.finish_reason},
              {"forced_completion", r.forced},
              {"sent", r.sent}};
  if (!r.error.empty()) out["error"] = r.error;
  if (r.prompt_tokens >= 0) out["prompt_tokens"] = r.prompt_tokens;
  if (r.completion_tokens >= 0) out["completion_tokens"] = r.completion_tokens;
  return out;
}

Response response_from_json(const Json& json, const std::string& where) {
  StrictObject object({json, where + ':'});
  Response r;
  r.task = object.text("task");
  r.sample = object.text("sample");
  r.repeat = object.integer_or("repeat", 0);
  r.key = object.text("key");
  r.status = object.text("status");
  r.text = object.text("text");
  r.finish_reason = object.text_or("finish_reason", "");
  r.error = object.text_or("error", "");
  r.prompt_tokens = object.integer_or("prompt_tokens", -1);
  r.completion_tokens = object.integer_or("completion_tokens", -1);
  r.forced = object.flag_or("forced_completion", false);
  if (const auto sent = object.find("sent")) r.sent = sent->value;
  object.finish();
  return r;
}

JsonLines JsonLines::open(const std::string& path) {
  JsonLines out;
  out.path_ = path;
  out.file_ = Descriptor(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666));
  if (out.file_.get() < 0) input_error(path, ": cannot be written: ", std::strerror(errno));
  if (!lock(out.file_.get())) usage_error(path, ": another process is writing there; wait for its end");
  out.size_ = whole_bytes(path);
  struct stat status {};
  if (::fstat(out.file_.get(), &status) != 0) input_error(path, ": cannot be read: ", std::strerror(errno));
  out.torn_ = status.st_size - out.size_;
  if (out.torn_ > 0 && ::ftruncate(out.file_.get(), out.size_) != 0)
    input_error(path, ": its torn last line cannot be cut off: ", std::strerror(errno));
  return out;
}

void JsonLines::add(const Json& json) {
  const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  if (!write_all(file_.get(), line.data(), line.size()) || ::fsync(file_.get()) != 0) {
    const int reason = errno;
    if (::ftruncate(file_.get(), size_) != 0)
      input_error(path_, ": cannot be written, and ends in a torn line: ", std::strerror(reason));
    input_error(path_, ": cannot be written: ", std::strerror(reason),
                "; everything before is safe, and --resume goes on from there");
  }
  size_ += static_cast<int64_t>(line.size());
}

std::vector<Json> read_json_lines(const std::string& path) {
  std::vector<Json> out;
  if (!fs::exists(path)) return out;
  const MappedFile file = MappedFile::open(path);
  std::string_view text = file.text();
  for (int64_t line = 1;; ++line) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return out;  // nothing more, or torn
    out.push_back(parse_json_object(std::string(text.substr(0, end)), concat(path, " line ", line)));
    text.remove_prefix(end + 1);
  }
}

std::string ResponseStore::name_of(const std::string& task, const std::string& sample, int64_t repeat) {
  return concat(task, '\n', sample, '\n', repeat);
}

StoredResponses ResponseStore::read(const std::string& folder) {
  StoredResponses out;
  std::set<std::string> files;
  if (fs::is_directory(folder)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("responses") && name.ends_with(".jsonl")) files.insert(entry.path().string());
    }
  }
  for (const std::string& file : files) LineReader(file, out).read();
  return out;
}

ResponseStore::ResponseStore(const std::string& folder, const std::string& shard)
    : lines_(JsonLines::open(folder + "/responses" + (shard.empty() ? "" : '-' + shard) + ".jsonl")),
      stored_(read(folder)) {}

const Response* ResponseStore::find(const std::string& task, const std::string& sample, int64_t repeat,
                                    const std::string& key) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = stored_.all.find(name_of(task, sample, repeat));
  if (found == stored_.all.end() || found->second.status != "ok") return nullptr;
  if (found->second.key == key) return &found->second;
  ++stale_;
  return nullptr;
}

void ResponseStore::add(const Response& r) {
  const std::lock_guard<std::mutex> lock(mutex_);
  lines_.add(to_json(r));
  stored_.all[name_of(r.task, r.sample, r.repeat)] = r;
}

}  // namespace glmv::eval
