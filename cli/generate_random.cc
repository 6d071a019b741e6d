// generate --random-weights: a stack of layers of a configuration's real shapes, for timing without a checkpoint.
#include <fmt/format.h>

#include <iostream>

#include "cli/generate.h"

namespace glmv::cli {
namespace {

/// Cache and weights together, before anything is made.
void check_room(const Backend& backend, const ModelConfig& config, const SessionOptions& o) {
  const size_t weights = DeviceWeights::random_bytes(config, backend), cache = BatchSession::cache_bytes(config, o);
  check_memory(backend, weights + cache,
               fmt::format("weights ({}) and KV cache ({}) of {} layers", weights, cache, config.text.num_layers));
}

struct Round {
  std::vector<Generation> answers;
  Timings timings;  ///< of this round
};

Round run_round(BatchSession& session, const std::vector<Prompt>& prompts, const ModelConfig& config,
                const GenerationSettings& settings, const GenerateOptions& how) {
  const Timings before = session.timings();
  Round round{std::vector<Generation>(prompts.size()), {}};
  const std::vector<GenerationSettings> all(prompts.size(), settings);
  generate_all(session, prompts, config, all, how, [&](size_t i, const Generation& g) { round.answers[i] = g; });
  const Timings& after = session.timings();
  round.timings = {after.vision_ns - before.vision_ns, after.prefill_ns - before.prefill_ns,
                   after.decode_ns - before.decode_ns};
  return round;
}

Json as_json(const GenerateFlags& f, const ModelConfig& config, const BatchSession& session, const Round& round,
             size_t weights_bytes) {
  Json out = result_header("generate");
  out["backend"] = f.run.backend;
  out["dtype"] = f.run.dtype;
  out["random_weights"] = true;
  out["config"] = config.path;
  out["layers"] = config.text.num_layers;
  out["weights_bytes"] = weights_bytes;
  out["sequences"] = round.answers.size();
  out["prompt_tokens"] = f.prompt_tokens;  // of each sequence
  out["completion_tokens"] = round.answers[0].ids.size();
  out["token_ids"] = round.answers[0].ids;
  out["finish_reason"] = round.answers[0].finish_reason;
  out["timings"] = timings_json(round.timings);
  out["graphs"] = {{"captured", session.graphs().captured()}, {"launched", session.graphs().launched()}};
  return out;
}

std::string as_text(const GenerateFlags& f, const ModelConfig& config, const Round& round) {
  const auto sequences = static_cast<double>(round.answers.size());
  const auto per_second = [](double tokens, int64_t ns) { return ns > 0 ? tokens * 1e9 / static_cast<double>(ns) : 0; };
  const auto steps = static_cast<double>(round.answers[0].ids.size() - 1);
  return fmt::format(
      "{} random layers on {} in {}, {} sequences of {} tokens: prefill {:.1f} tokens/s, decode {:.1f}\n",
      config.text.num_layers, f.run.backend, f.run.dtype, round.answers.size(), f.prompt_tokens,
      per_second(sequences * static_cast<double>(f.prompt_tokens), round.timings.prefill_ns),
      per_second(sequences * steps, round.timings.decode_ns));
}

}  // namespace

int run_random(const GenerateFlags& f) {
  if (f.prompt.given() || !f.prompt.inputs.empty() || !f.prompts.empty())
    usage_error("--random-weights makes its own prompt (--prompt-tokens): leave out what is asked");
  if (!f.settings.stop.empty() || f.settings.thinking_budget || f.settings.logprobs >= 0)
    usage_error("--random-weights says nothing that could be read: leave out --stop, --thinking-budget and --logprobs");
  check_output(f.output, Output::text);
  const Backend& backend = f.run.use();
  const Model model = Model::without_weights(f.model, f.layers);
  const int64_t positions = model.config.text.max_position_embeddings;
  if (f.prompt_tokens + f.settings.max_new_tokens > positions) {
    usage_error("--prompt-tokens ", f.prompt_tokens, " and --max-new-tokens ", f.settings.max_new_tokens,
                " are more than the ", positions, " positions of the model");
  }
  SessionOptions options = f.session();
  options.max_tokens = f.prompt_tokens + f.settings.max_new_tokens;
  options.sequences = f.batch;
  check_room(backend, model.config, options);
  const DeviceWeights::Shared weights = DeviceWeights::random(model.config, backend);
  std::vector<Prompt> prompts;
  for (int64_t i = 0; i < f.batch; ++i)
    prompts.push_back(random_prompt(model.config, f.prompt_tokens, static_cast<uint64_t>(i)));
  GenerateOptions how;
  how.ignore_eos = true;
  how.margins = false;
  BatchSession session(model, weights, options);
  if (f.warm_up) run_round(session, prompts, model.config, f.settings, how);
  const Round round = run_round(session, prompts, model.config, f.settings, how);
  if (f.json)
    write_json(as_json(f, model.config, session, round, weights->bytes()), f.output);
  else
    write_result(as_text(f, model.config, round), f.output);
  return 0;
}

}  // namespace glmv::cli
