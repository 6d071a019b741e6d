// generate: flags of how an answer is made, and the answer as JSON.
#include <filesystem>
#include <iostream>

#include "cli/generate.h"
#include "data/generation_config.h"

namespace glmv::cli {
namespace {

void add_sampling(CLI::App& verb, GenerationSettings& s) {
  verb.add_option("--temperature", s.temperature, "0 = greedy; above, tokens are drawn")->capture_default_str();
  verb.add_option("--top-k", s.top_k, "draw among the k most likely tokens; 0 = all")
      ->check(whole_number())
      ->capture_default_str();
  verb.add_option("--top-p", s.top_p, "draw among the most likely tokens that hold this share of probability")
      ->capture_default_str();
  verb.add_option("--min-p", s.min_p, "rule out tokens less likely than this share of the most likely one")
      ->capture_default_str();
  verb.add_option("--repetition-penalty", s.repetition_penalty,
                  "divides positive scores of tokens that were there (prompt or answer), multiplies negative; 1 = none")
      ->capture_default_str();
  verb.add_option(
          "--seed", s.seed,
          "of the draws, 0 to 4294967295: one uniform number a token, those of torch.rand in f64 after "
          "torch.manual_seed(SEED). The library's generate() draws by torch.multinomial: other tokens for a seed")
      ->check(unsigned_number(UINT32_MAX))
      ->capture_default_str();
}

Json boxes_json(const std::string& answer, const Prompt& prompt) {
  Json out = Json::array();
  for (const auto& box : parse_boxes(answer)) {
    Json one = {{"thousandths", box}};
    // Boxes are relative to a picture; with several pictures nothing says to which one.
    if (prompt.picture_sizes.size() == 1 && prompt.video_grids.empty())
      one["pixels"] = box_to_pixels(box, prompt.picture_sizes[0].width, prompt.picture_sizes[0].height);
    out.push_back(std::move(one));
  }
  return out;
}

Json settings_json(const GenerationSettings& s) {
  Json out = {{"max_new_tokens", s.max_new_tokens},
              {"do_sample", s.samples()},
              {"temperature", s.temperature},
              {"top_k", s.top_k},
              {"top_p", s.top_p},
              {"min_p", s.min_p},
              {"repetition_penalty", s.repetition_penalty}};
  out["seed"] = s.seed;
  out["stop"] = s.stop;
  out["thinking_budget"] = s.thinking_budget ? Json(*s.thinking_budget) : Json();
  return out;
}

/// One token: its text with invalid UTF-8 replaced, and its very bytes.
Json token_json(int64_t id, double logprob, const Tokenizer* tokenizer) {
  Json out = {{"id", id}, {"logprob", logprob}};
  if (tokenizer == nullptr) return out;
  const std::string bytes = tokenizer->token_bytes(id);
  out["token"] = tokenizer->decode({id});
  out["bytes"] = std::vector<uint8_t>(bytes.begin(), bytes.end());
  return out;
}

Json logprobs_json(const Generation& g, const Tokenizer* tokenizer) {
  Json out = Json::array();
  for (size_t i = 0; i < g.ids.size(); ++i) {
    Json one = token_json(g.ids[i], g.logprobs[i].taken, tokenizer);
    one["top_logprobs"] = Json::array();
    for (const auto& [id, logprob] : g.logprobs[i].top) {
      one["top_logprobs"].push_back(token_json(id, logprob, tokenizer));
    }
    out.push_back(std::move(one));
  }
  return out;
}

/// What ended it: a stop string, the id of an end token, or nothing of the kind.
Json stop_reason(const Generation& g) {
  if (g.finish_reason != "stop") return nullptr;
  return g.stop_string.empty() ? Json(g.ids.back()) : Json(g.stop_string);
}

}  // namespace

void add_settings(CLI::App& verb, GenerationSettings& s) {
  verb.add_option("-n,--max-new-tokens", s.max_new_tokens, "stop after this many tokens")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  add_sampling(verb, s);
  verb.add_option("--stop", s.stop, "end before this text, which is not printed; may be repeated")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  verb.add_option("--thinking-budget", s.thinking_budget,
                  "tokens of reasoning, after which </think> is forced and the answer begins")
      ->check(whole_number());
  verb.add_option_function<int64_t>(
          "--logprobs", [&s](int64_t n) { s.logprobs = n; },
          "with --json: log-probabilities of each token and of this many alternatives")
      ->check(between(0, kMostLogprobs));
}

void follow_generation_config(const CLI::App& verb, GenerateFlags& f) {
  namespace fs = std::filesystem;
  check_output(f.output, Output::text);               // as ever before anything is read
  const bool is_file = fs::is_regular_file(f.model);  // a config.json, for --random-weights
  const std::string dir = is_file ? fs::path(f.model).parent_path().string() : resolve_model(f.model);
  const std::optional<PublishedSampling> published = read_published_sampling(dir);
  if (!published) {
    if (f.as_configured) usage_error("--as-configured: ", dir, " has no generation_config.json");
    return;
  }
  const auto given = [&](const char* flag) { return verb.count(flag) > 0; };
  const bool chosen = given("--temperature") || given("--repetition-penalty");
  if (!f.as_configured) {
    if (!published->is_greedy() && !chosen && !f.quiet)
      std::cerr << "glmv: note: " << published->path << " asks for " << published->text()
                << "; this answer is greedy (--as-configured follows the file)\n";
    return;
  }
  if (!published->unsupported.empty()) usage_error(published->path, ": ", published->unsupported[0], ", not supported");
  GenerationSettings& s = f.settings;
  const GenerationSettings flags = s;
  s = published->settings(flags);
  if (given("--max-new-tokens")) s.max_new_tokens = flags.max_new_tokens;
  if (given("--repetition-penalty")) s.repetition_penalty = flags.repetition_penalty;
  if (given("--temperature")) s.temperature = flags.temperature;
  const bool greedy = !s.samples();  // then the file's other values mean nothing, and a flag's are an error as ever
  if (greedy || given("--top-k")) s.top_k = flags.top_k;
  if (greedy || given("--top-p")) s.top_p = flags.top_p;
  if (greedy || given("--min-p")) s.min_p = flags.min_p;
}

void put_answer(Json& out, const Prompt& prompt, const Generation& g, const GenerationSettings& settings,
                const Tokenizer* tokenizer, bool no_think) {
  out["prompt_tokens"] = prompt.ids.size();
  out["completion_tokens"] = g.ids.size();
  out["settings"] = settings_json(settings);
  out["token_ids"] = g.ids;
  out["margins"] = g.margins;
  if (settings.logprobs >= 0) out["logprobs"] = logprobs_json(g, tokenizer);
  out["finish_reason"] = g.finish_reason;
  out["stop_reason"] = stop_reason(g);
  out["forced_tokens"] = g.forced;
  if (tokenizer == nullptr) return;
  const Answer answer = parse_answer(g.text, no_think);
  out["text"] = g.text;
  out["thinking"] = answer.thinking;
  out["answer"] = answer.answer;
  out["boxed"] = answer.boxed;
  out["boxes"] = boxes_json(box_text(answer), prompt);
}

const std::string& box_text(const Answer& answer) { return answer.boxed.empty() ? answer.answer : answer.boxed.back(); }

Json timings_json(const Timings& t) {
  return {{"vision_ns", t.vision_ns}, {"prefill_ns", t.prefill_ns}, {"decode_ns", t.decode_ns}};
}

}  // namespace glmv::cli
