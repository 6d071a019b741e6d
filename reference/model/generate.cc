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

/// Takes a token; the reason if it was the last one, else "".
std::string take(Generation& out, int64_t token, const ModelConfig& config, const GenerateOptions& options) {
  out.ids.push_back(token);
  const bool end = std::count(config.eos_token_ids.begin(), config.eos_token_ids.end(), token) > 0;
  if (end && !options.ignore_eos) return "stop";
  if (options.on_token && !options.on_token(token)) return "cancelled";
  return static_cast<int64_t>(out.ids.size()) == options.max_new_tokens ? "length" : "";
}

void check(const GenerateOptions& options) {
  if (options.max_new_tokens <= 0) usage_error("max_new_tokens is ", options.max_new_tokens, ", at least 1 is wanted");
}

}  // namespace

Generation generate(Session& session, const Prompt& prompt, const ModelConfig& config, const GenerateOptions& options) {
  check(options);
  Generation out;
  int64_t token = session.prefill(prompt);
  while (true) {
    if (options.margins) out.margins.push_back(margin(session.last_logits()));
    out.finish_reason = take(out, token, config, options);
    if (!out.finish_reason.empty()) return out;
    token = session.step(token);
  }
}

void generate_all(BatchSession& session, const std::vector<Prompt>& prompts, const ModelConfig& config,
                  const GenerateOptions& options, const std::function<void(size_t, const Generation&)>& done) {
  check(options);
  struct Running {
    size_t prompt;
    int64_t sequence;
    Generation out;
  };
  std::vector<Running> running;
  size_t next = 0;
  bool cancelled = false;
  // Looks at a sequence's newest token; true if it has ended.
  const auto ended = [&](Running& r) {
    if (options.margins) r.out.margins.push_back(margin(session.logits(r.sequence)));
    r.out.finish_reason = take(r.out, session.token(r.sequence), config, options);
    cancelled = cancelled || r.out.finish_reason == "cancelled";
    if (r.out.finish_reason.empty()) return false;
    session.finish(r.sequence);
    done(r.prompt, r.out);
    return true;
  };
  while (!cancelled && (next < prompts.size() || !running.empty())) {
    if (next < prompts.size() && session.live() < session.room()) {
      Running r{next, session.add(prompts[next]), {}};
      ++next;
      if (!ended(r)) running.push_back(std::move(r));
      continue;
    }
    session.step();
    std::erase_if(running, ended);
  }
  for (Running& r : running) {
    session.finish(r.sequence);
    r.out.finish_reason = "cancelled";
    done(r.prompt, r.out);
  }
}

}  // namespace glmv
