// A checkpoint directory: model.safetensors or model.safetensors.index.json with its shards.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/safetensors.h"

namespace glmv {

/// Tensors by name over all shards. Opening reads headers only; data are mapped and paged in when touched.
class Checkpoint {
 public:
  /// Throws Error (exit code 3): missing index, missing shard, tensor in the index but not in its shard, ...
  static Checkpoint open(const std::string& dir);

  const std::string& dir() const { return dir_; }
  bool has(const std::string& name) const { return where_.count(name) > 0; }
  ConstTensorView get(const std::string& name) const;
  const std::string& file_of(const std::string& name) const;  ///< path of its shard; throws if absent
  std::vector<std::string> names() const;                     ///< sorted
  const std::vector<std::string>& files() const { return files_; }
  int64_t data_bytes() const;  ///< sum over tensors

  /// sha256 over the bytes of the safetensors files in name order, hex: the "model hash" of traces.
  std::string sha256() const;

 private:
  const SafetensorsFile& shard_of(const std::string& name) const;

  std::string dir_;
  std::vector<std::string> files_;
  std::vector<SafetensorsFile> shards_;
  std::map<std::string, size_t> where_;  ///< tensor name -> shard
};

/// Resolves --model: a directory, or org/name[@revision] in the local Hugging Face cache (HF_HUB_CACHE, HF_HOME).
/// Never touches the network.
std::string resolve_model(const std::string& model);

/// Hex sha256 of memory.
std::string sha256_hex(const void* data, size_t bytes);

}  // namespace glmv
