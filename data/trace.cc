// A trace on disk is an ordinary safetensors file; only its metadata says that it is one.
#include "data/trace.h"

namespace glmv {

void TraceWriter::write(const std::string& path) const {
  NamedTensors tensors;
  tensors.reserve(points_.size());
  for (const auto& [name, value] : points_) tensors.emplace_back(name, value.view);
  std::map<std::string, std::string> metadata = metadata_;
  metadata["format"] = "glmv.trace/1";
  write_safetensors(path, tensors, metadata);
}

}  // namespace glmv
