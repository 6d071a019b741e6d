// Opening a checkpoint reads the index and every shard's header and holds them against each other: a tensor must be
// where the index says, nowhere else, and every tensor on disk must be known to the index. Data are not touched.
#include "data/checkpoint.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "data/file.h"
#include "data/json_file.h"

namespace glmv {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const char* const kSingleFile = "model.safetensors";
const char* const kIndexFile = "model.safetensors.index.json";
constexpr uint64_t kMaxIndexBytes = 256u << 20;  // a real one has 2 MB
constexpr int kMaxIndexDepth = 8;

/// tensor name -> file name, as the index says.
using WeightMap = std::map<std::string, std::string>;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}
/// True for whatever has this name, be it a pipe or a link to nothing: opening it then says what is wrong with it.
bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(fs::symlink_status(path, ignored));
}
bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

/// A shard lies in the checkpoint's own folder: an index must not be able to name any other file.
void check_file_name(const std::string& index, const std::string& tensor, const std::string& file) {
  if (file.empty() || file == "." || file == ".." || file.find_first_of(std::string("/\\\0", 3)) != std::string::npos) {
    input_error(index, ": weight_map: ", tensor, ": \"", file, "\" is not a plain file name");
  }
}

WeightMap read_index(const std::string& path) {
  const json index = parse_json(read_file(path, kMaxIndexBytes), path, kMaxIndexDepth);
  if (!index.is_object() || !index.contains("weight_map") || !index["weight_map"].is_object()) {
    input_error(path, ": weight_map is missing or not an object");
  }
  WeightMap map;
  for (const auto& [tensor, file] : index["weight_map"].items()) {
    if (!file.is_string()) input_error(path, ": weight_map: ", tensor, ": ", file.dump(), " is not a file name");
    check_file_name(path, tensor, file.get<std::string>());
    map.emplace(tensor, file.get<std::string>());
  }
  if (map.empty()) input_error(path, ": weight_map is empty");
  return map;
}

/// The files of an index, each once, sorted.
std::vector<std::string> files_of(const WeightMap& map) {
  std::set<std::string> names;
  for (const auto& [tensor, file] : map) names.insert(file);
  return {names.begin(), names.end()};
}

/// Every tensor of a shard must be one that the index puts there.
void check_listed(const SafetensorsFile& shard, const std::string& file, const WeightMap& map) {
  for (const auto& [name, view] : shard.tensors()) {
    const auto listed = map.find(name);
    if (listed == map.end()) input_error(shard.path(), ": tensor ", name, " is not in ", kIndexFile);
    if (listed->second != file) {
      input_error(shard.path(), ": tensor ", name, " is here, but ", kIndexFile, " puts it in ", listed->second);
    }
  }
}

/// What else lies in a folder without weights that we read.
std::string hint_without_weights(const std::string& dir) {
  if (!is_folder(dir)) return ": no such directory";
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(dir, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.rfind("model-", 0) == 0 && entry.path().extension() == ".safetensors") {
      return concat(": has shards (", name, ") but no ", kIndexFile);
    }
    if (entry.path().extension() == ".bin" || entry.path().extension() == ".gguf") {
      return concat(": has ", name, ", but only safetensors files are read");
    }
  }
  return concat(": neither ", kSingleFile, " nor ", kIndexFile, " in it");
}

/// sha256 fed piece by piece.
class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), &EVP_MD_CTX_free) {
    check(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void update(const void* data, size_t bytes) { check(EVP_DigestUpdate(context_.get(), data, bytes) == 1); }
  std::string hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    check(EVP_DigestFinal_ex(context_.get(), digest.data(), &length) == 1);
    std::string text;
    for (unsigned i = 0; i < length; ++i) {
      text += "0123456789abcdef"[digest[i] >> 4];
      text += "0123456789abcdef"[digest[i] & 15];
    }
    return text;
  }

 private:
  static void check(bool worked) {
    if (!worked) input_error("OpenSSL cannot compute a sha256");
  }
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

void hash_file(Sha256& hash, const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<char> block(size_t{1} << 20);
  while (in) {
    in.read(block.data(), static_cast<std::streamsize>(block.size()));
    hash.update(block.data(), static_cast<size_t>(in.gcount()));
  }
  if (!in.eof()) input_error(path, ": cannot be read");
}

// ---- the local Hugging Face cache ----

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// Where huggingface_hub keeps snapshots, by the same variables in the same order.
fs::path hub_cache() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string cache = environment(name); !cache.empty()) return cache;
  }
  if (const std::string home = environment("HF_HOME"); !home.empty()) return fs::path(home) / "hub";
  if (const std::string cache = environment("XDG_CACHE_HOME"); !cache.empty()) {
    return fs::path(cache) / "huggingface" / "hub";
  }
  return fs::path(environment("HOME")) / ".cache" / "huggingface" / "hub";
}

/// A name that can be joined to a path without leaving it. Revisions may have slashes ("refs/pr/1").
bool is_plain(const std::string& name) {
  if (name.empty() || name.front() == '/' || name.find('\0') != std::string::npos) return false;
  const fs::path path(name);
  return std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".." || part == "."; });
}

struct ModelName {
  std::string repository, revision;
};

ModelName parse_model_name(const std::string& model) {
  const size_t at = model.find('@');
  ModelName name{model.substr(0, at), at == std::string::npos ? "main" : model.substr(at + 1)};
  const auto slashes = std::count(name.repository.begin(), name.repository.end(), '/');
  if (!is_plain(name.repository) || slashes > 1 || name.repository.back() == '/') {
    input_error("--model ", model, ": no such directory");
  }
  if (!is_plain(name.revision)) input_error("--model ", model, ": \"", name.revision, "\" is not a revision");
  return name;
}

std::string trimmed(std::string text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
  return text;
}

/// The commit a branch or tag points at; a revision that is no reference is taken for a commit itself.
std::string commit_of(const fs::path& folder, const std::string& revision) {
  const fs::path reference = folder / "refs" / revision;
  if (!is_file(reference)) return revision;
  std::string commit = trimmed(read_file(reference, 4096));
  if (!is_plain(commit)) input_error(reference.string(), ": \"", commit, "\" is not a commit");
  return commit;
}

}  // namespace

Checkpoint Checkpoint::open(const std::string& dir) {
  const std::string single = (fs::path(dir) / kSingleFile).string(), index = (fs::path(dir) / kIndexFile).string();
  Checkpoint checkpoint;
  checkpoint.dir_ = dir;
  WeightMap map;
  std::vector<std::string> names;
  if (is_there(index)) {
    map = read_index(index);
    names = files_of(map);
    // The library would read the single file, a reader of the index would not: refuse to choose.
    if (is_there(single) && std::find(names.begin(), names.end(), kSingleFile) == names.end()) {
      input_error(dir, ": has both ", kSingleFile, " and ", kIndexFile, ", which does not name it; remove one");
    }
  } else if (is_there(single)) {
    names = {kSingleFile};
  } else {
    input_error(dir, hint_without_weights(dir));
  }

  for (const std::string& name : names) {
    const std::string path = (fs::path(dir) / name).string();
    if (!is_there(path)) input_error(path, ": missing, but ", index, " names it");
    const size_t shard = checkpoint.shards_.size();
    checkpoint.files_.push_back(path);
    checkpoint.shards_.push_back(SafetensorsFile::open(path));
    if (!map.empty()) check_listed(checkpoint.shards_[shard], name, map);
    for (const auto& [tensor, view] : checkpoint.shards_[shard].tensors()) checkpoint.where_[tensor] = shard;
  }
  for (const auto& [tensor, file] : map) {
    if (!checkpoint.has(tensor)) input_error(index, ": weight_map: ", tensor, " is not in ", file);
  }
  return checkpoint;
}

ConstTensorView Checkpoint::get(const std::string& name) const { return shard_of(name).get(name); }

const std::string& Checkpoint::file_of(const std::string& name) const { return shard_of(name).path(); }

const SafetensorsFile& Checkpoint::shard_of(const std::string& name) const {
  const auto found = where_.find(name);
  if (found == where_.end()) input_error(dir_, ": no tensor ", name, " (it has ", where_.size(), " tensors)");
  return shards_[found->second];
}

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> out;
  out.reserve(where_.size());
  for (const auto& [name, shard] : where_) out.push_back(name);
  return out;
}

int64_t Checkpoint::data_bytes() const {
  int64_t bytes = 0;
  for (const SafetensorsFile& shard : shards_) {
    for (const auto& [name, view] : shard.tensors()) bytes += view.bytes();
  }
  return bytes;
}

std::string Checkpoint::sha256() const {
  Sha256 hash;
  for (const std::string& file : files_) hash_file(hash, file);
  return hash.hex();
}

std::string resolve_model(const std::string& model) {
  if (model.empty()) usage_error("--model is empty");
  if (is_folder(model)) return model;
  if (is_file(model)) usage_error("--model ", model, ": is a file; name the directory that holds it");
  const ModelName name = parse_model_name(model);

  std::string folder_name = "models--" + name.repository;
  if (const size_t slash = folder_name.find('/'); slash != std::string::npos) folder_name.replace(slash, 1, "--");
  const fs::path folder = hub_cache() / folder_name;
  if (!is_folder(folder)) {
    input_error("--model ", model, ": neither a directory nor in the local cache (", folder.string(),
                "); nothing is downloaded");
  }
  const fs::path snapshot = folder / "snapshots" / commit_of(folder, name.revision);
  if (!is_folder(snapshot)) {
    input_error("--model ", model, ": revision ", name.revision, " is not in the local cache (", snapshot.string(),
                ')');
  }
  return snapshot.string();
}

std::string sha256_hex(const void* data, size_t bytes) {
  Sha256 hash;
  hash.update(data, bytes);
  return hash.hex();
}

}  // namespace glmv
