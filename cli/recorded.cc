#include "cli/recorded.h"

#include "reference/model/generate.h"

namespace glmv::cli {

Script greedy_script(const Model& model, const DeviceWeights::Shared& weights, Prompt prompt, DType activation,
                     int64_t steps) {
  Script script;
  script.prompt = std::move(prompt);
  if (steps == 0) return script;
  SessionOptions options;
  options.activation = activation;
  options.max_tokens = static_cast<int64_t>(script.prompt.ids.size()) + steps;
  Session session(model, weights, options);
  GenerateOptions how;
  how.ignore_eos = true;
  script.tokens = generate(session, script.prompt, model.config, {.max_new_tokens = steps}, how).ids;
  return script;
}

}  // namespace glmv::cli
