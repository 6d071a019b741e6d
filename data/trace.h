// Traces: a safetensors file of one sequence, every point by its name (tests/golden/README.md, "Conventions").
#pragma once

#include <map>
#include <string>
#include <vector>

#include "data/safetensors.h"

namespace glmv {

/// Collects points in memory and writes them at once.
class TraceWriter {
 public:
  void add(const std::string& name, Tensor value) { points_[name] = std::move(value); }
  std::map<std::string, std::string>& metadata() { return metadata_; }
  const std::map<std::string, Tensor>& points() const { return points_; }
  void write(const std::string& path) const;  ///< adds format=glmv.trace/1

 private:
  std::map<std::string, Tensor> points_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace glmv
