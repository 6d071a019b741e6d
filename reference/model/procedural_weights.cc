#include "reference/model/procedural_weights.h"

#include <cmath>

namespace glmv {
namespace {

Tensor tensor_of(DType dtype, const std::vector<int64_t>& shape) {
  ConstTensorView like;
  like.rank = static_cast<int>(shape.size());
  for (size_t i = 0; i < shape.size(); ++i) like.dim[i] = shape[i];
  return Tensor(dtype, like);
}

bool is_correction_bias(const WeightInfo& info) { return info.name.ends_with("e_score_correction_bias"); }

}  // namespace

Procedural procedural_law(const WeightInfo& info) {
  if (is_correction_bias(info)) return {0.1, 0};
  if (info.name.ends_with(".bias")) return {0.2, 0};
  if (info.shape.size() == 1) return {0.3, 1};
  if (info.name.find("embed_tokens") != std::string::npos ||
      info.name.find("position_embedding") != std::string::npos) {
    return {std::sqrt(3.0), 0};
  }
  int64_t fan_in = 1;
  for (size_t i = 1; i < info.shape.size(); ++i) fan_in *= info.shape[i];
  return {std::sqrt(3.0 / static_cast<double>(fan_in)), 0};
}

Weights procedural_weights(const ModelConfig& config, const std::function<bool(const std::string&)>& wanted) {
  Weights weights;
  std::vector<Tensor> made;
  for_each_weight(config, weights, [&](const WeightInfo& info, Weight& slot) {
    if (!wanted(info.name)) return;
    const bool exact = is_correction_bias(info);
    made.push_back(tensor_of(exact ? DType::f32 : DType::bf16, info.shape));
    (exact ? fill_procedural : fill_procedural_bf16)(info.name, procedural_law(info), made.back().view);
    slot.data = made.back().view;
  });
  weights.owned = std::move(made);
  adapt_weights(config, weights);
  return weights;
}

}  // namespace glmv
