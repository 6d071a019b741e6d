#include "reference/model/generate.h"

#include "reference/model/continuation.h"

namespace glmv {

ThinkTokens think_tokens(const Tokenizer& tokenizer, ChatTemplate chat_template) {
  const auto id = [&](const char* token) {
    const int64_t found = tokenizer.id_of(token);
    if (found < 0) usage_error("a thinking budget needs the token ", token, ", which the tokenizer does not have");
    return found;
  };
  ThinkTokens out{id("<think>"), {id("</think>")}, id("<|assistant|>")};
  // GLM-4.1V writes its answer into a block of its own, which must be opened.
  if (chat_template == ChatTemplate::glm41v) out.end.push_back(id("<answer>"));
  return out;
}

Generation generate(Session& session, const Prompt& prompt, const ModelConfig& config,
                    const GenerationSettings& settings, const GenerateOptions& options) {
  Continuation answer(prompt, config, settings, options);
  int64_t greedy = session.prefill(prompt);
  while (true) {
    const int64_t token = answer.take(greedy, answer.wants_logits() ? session.last_logits() : Tensor());
    if (answer.ended()) return answer.result();
    greedy = session.step(token);
  }
}

void generate_all(BatchSession& session, const std::vector<Prompt>& prompts, const ModelConfig& config,
                  const std::vector<GenerationSettings>& settings, const GenerateOptions& options,
                  const std::function<void(size_t, const Generation&)>& done) {
  GLMV_CHECK(settings.size() == prompts.size(), settings.size(), " settings, ", prompts.size(), " prompts");
  for (const GenerationSettings& s : settings) check(s, "");
  struct Running {
    size_t prompt;
    int64_t sequence;
    Continuation answer;
  };
  std::vector<std::unique_ptr<Running>> running;
  size_t next = 0;
  bool cancelled = false;
  // Takes a sequence's next token; true if it was the last.
  const auto ended = [&](const std::unique_ptr<Running>& r) {
    const int64_t greedy = session.token(r->sequence);
    const int64_t token = r->answer.take(greedy, r->answer.wants_logits() ? session.logits(r->sequence) : Tensor());
    if (!r->answer.ended()) {
      session.feed(r->sequence, token);
      return false;
    }
    session.finish(r->sequence);
    const Generation out = r->answer.result();
    cancelled = cancelled || out.finish_reason == "cancelled";
    done(r->prompt, out);
    return true;
  };
  while (!cancelled && (next < prompts.size() || !running.empty())) {
    if (next < prompts.size() && session.live() < session.room()) {
      const Prompt& prompt = prompts[next];
      auto r = std::make_unique<Running>(Running{next, -1, {prompt, config, settings[next], options}});
      r->sequence = session.add(prompt);
      ++next;
      if (!ended(r)) running.push_back(std::move(r));
      continue;
    }
    session.step();
    std::erase_if(running, ended);
  }
  for (const std::unique_ptr<Running>& r : running) {
    session.finish(r->sequence);
    r->answer.cancel();
    done(r->prompt, r->answer.result());
  }
}

}  // namespace glmv
