// Recordings: a prompt is run and every point that is wanted is kept in memory.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "reference/model/glm4v.h"

namespace glmv {

/// Points by name, in the order in which the model reached them.
class Recording {
 public:
  /// Keeps a tensor. A name that comes again (the next chunk of a prompt) is appended along the first axis.
  void add(const std::string& name, Tensor value);
  bool has(const std::string& name) const { return at_.count(name) > 0; }
  /// Throws if absent.
  const Tensor& get(const std::string& name) const;
  const std::vector<std::pair<std::string, Tensor>>& points() const { return points_; }

 private:
  std::vector<std::pair<std::string, Tensor>> points_;
  std::map<std::string, size_t> at_;
};

/// What is run: a prompt, then tokens fed one at a time. Pass 0 is the prompt, pass n feeds tokens[n - 1].
struct Script {
  Prompt prompt;
  std::vector<int64_t> tokens;
  /// Per pass, layer -> i32 [tokens, K]: experts to use instead of the router's choice. Empty = none forced.
  std::vector<std::map<int64_t, Tensor>> forced;
};

struct RecordOptions {
  DType activation = DType::f32;
  Reduction reduction = Reduction::blocked;
  int64_t page_size = 0, chunk = 0;  ///< as in SessionOptions
  bool fused = false;                ///< take the backend's fused ops: points inside them are not recorded
  /// Which points to keep, by name with the step prefix; null keeps all.
  std::function<bool(std::string_view)> wants;
  /// The last point that is wanted, with its step prefix: nothing behind it is computed. Empty = all is.
  std::string until;
  /// Called before each pass, for progress.
  std::function<void(int64_t pass)> on_pass;
};

/// Runs the script where the weights lie. Inputs (input_ids, position_ids, pixel_values, ...) are recorded like every
/// other point.
Recording record(const Model& model, const DeviceWeights::Shared& weights, const Script& script,
                 const RecordOptions& options);
/// With weights of its own; where there are several runs they should share them.
Recording record(const Model& model, const Backend& backend, const Script& script, const RecordOptions& options);

}  // namespace glmv
