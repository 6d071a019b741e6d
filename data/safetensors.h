// safetensors: read through mmap, written whole.
//
// A file is: 8 bytes little-endian header length, a JSON header {name: {dtype, shape, data_offsets}}, then data.
// Every length and offset is checked before use; tensors are views of the mapping in the dtype they are stored in.
// Integers that we have no type for (I8, I16, U16, U32, U64) are widened to i64; a U64 must fit.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "reference/core/arena.h"

namespace glmv {

/// One mapped file. Views stay valid as long as a copy of the object lives; copies share the mapping.
class SafetensorsFile {
 public:
  /// Throws Error (exit code 3) that names the file, the tensor, the field and the value.
  static SafetensorsFile open(const std::string& path);

  const std::string& path() const { return path_; }
  /// In header order is not promised: names are sorted.
  const std::map<std::string, ConstTensorView>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  bool has(const std::string& name) const { return tensors_.count(name) > 0; }
  /// Throws if absent.
  ConstTensorView get(const std::string& name) const;

 private:
  std::string path_;
  std::shared_ptr<const void> mapping_;
  std::map<std::string, ConstTensorView> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// Tensors to write; views must be contiguous host memory.
using NamedTensors = std::vector<std::pair<std::string, ConstTensorView>>;

/// Writes to a temporary file beside `path`, fsyncs it and renames it: a failed write leaves nothing behind and
/// throws. Header keys are sorted, so equal tensors give equal bytes.
void write_safetensors(const std::string& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata);

/// "F32", "BF16", ... of the format; throws for a name we do not store.
const char* safetensors_dtype(DType t);

}  // namespace glmv
