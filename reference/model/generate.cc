#include "reference/model/generate.h"

#include <algorithm>
#include <limits>

namespace glmv {
namespace {

/// Largest minus second largest.
double margin(const Tensor& logits) {
  double first = -std::numeric_limits<double>::infinity(), second = first;
  const auto* x = logits.data<double>();
  for (int64_t i = 0; i < logits.view.dim[0]; ++i) {
    if (x[i] > first) {
      second = first;
      first = x[i];
    } else {
      second = std::max(second, x[i]);
    }
  }
  return first - second;
}

}  // namespace

Generation generate(Session& session, const Prompt& prompt, const ModelConfig& config, const GenerateOptions& options) {
  Generation out;
  if (options.max_new_tokens <= 0) usage_error("max_new_tokens is ", options.max_new_tokens, ", at least 1 is wanted");
  int64_t token = session.prefill(prompt);
  while (true) {
    out.ids.push_back(token);
    out.margins.push_back(margin(session.last_logits()));
    const bool end = std::count(config.eos_token_ids.begin(), config.eos_token_ids.end(), token) > 0;
    if (end && !options.ignore_eos) {
      out.finish_reason = "stop";
      break;
    }
    if (options.on_token && !options.on_token(token)) {
      out.finish_reason = "cancelled";
      break;
    }
    if (static_cast<int64_t>(out.ids.size()) == options.max_new_tokens) {
      out.finish_reason = "length";
      break;
    }
    token = session.step(token);
  }
  return out;
}

}  // namespace glmv
