// Generation on the twin: sampling, stop strings, thinking budgets and log-probabilities, alone and in batches.
#include "reference/model/generate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "reference/backends.h"
#include "reference/model/sampler.h"

namespace glmv {
namespace {

const std::string kTwin = GLMV_SOURCE_DIR "/data/tiny/glm45v";

struct Twin {
  Model model = Model::open(kTwin);
  Processor processor = Processor::open(kTwin);
  GenerateOptions options;
  Twin() {
    options.tokenizer = &processor.tokenizer;
    options.think = think_tokens(processor.tokenizer, ChatTemplate::glm45v);
  }
  int64_t id(const char* token) const { return processor.tokenizer.id_of(token); }
};
Twin& twin() {
  static Twin one;
  return one;
}

Prompt ask(const std::string& question, const std::string& picture, bool think) {
  Message user{"user", {}, {}};
  user.content.push_back({ContentPart::Kind::image, ""});
  user.content.push_back({ContentPart::Kind::text, question});
  ChatOptions options;
  options.enable_thinking = think;
  return make_prompt(twin().processor, {user}, options, {read_image(kTwin + "/heldout/" + picture + ".png")}, {});
}
/// One that the twin thinks long about.
const Prompt& listing() {
  static const Prompt prompt = ask("List the objects.", "objects-000-0", true);
  return prompt;
}

/// One that it thinks about and then answers.
const Prompt& brief() {
  static const Prompt prompt = ask("How many circles are there?", "objects-000-0", true);
  return prompt;
}

SessionOptions room(int64_t sequences, DType activation = DType::f32) {
  SessionOptions options;
  options.activation = activation;
  options.max_tokens = 512;
  options.sequences = sequences;
  options.page_size = 16;
  return options;
}

Generation run(const Prompt& prompt, const GenerationSettings& settings, GenerateOptions options = twin().options,
               const Backend& backend = cpu_backend()) {
  Session session(twin().model, backend, room(1));
  return generate(session, prompt, twin().model.config, settings, options);
}

GenerationSettings sampled(uint64_t seed) {
  GenerationSettings s;
  s.temperature = 1.5;
  s.top_k = 20;
  s.top_p = 0.95;
  s.min_p = 0.001;
  s.repetition_penalty = 1.05;
  s.seed = seed;
  s.max_new_tokens = 40;
  return s;
}

TEST(Generation, TheSeedDecidesAndNothingElse) {
  std::set<std::vector<int64_t>> answers;
  for (const uint64_t seed : {0, 1, 2, 3, 4}) {
    const Generation once = run(listing(), sampled(seed)), again = run(listing(), sampled(seed));
    EXPECT_EQ(once.ids, again.ids);
    answers.insert(once.ids);
  }
  EXPECT_GE(answers.size(), 3u);
}

/// What a sampler outside draws from the logits of the same steps.
TEST(Generation, SampledTokensAreThoseOfTheSampler) {
  const GenerationSettings settings = sampled(3);
  const Generation g = run(listing(), settings);
  Session session(twin().model, cpu_backend(), room(1));
  Sampler sampler(settings, listing().ids, twin().model.config.text.vocab_size);
  session.prefill(listing());
  for (const int64_t id : g.ids) {
    EXPECT_EQ(sampler.choose(session.last_logits()), id);
    sampler.took(id);
    session.step(id);
  }
}

TEST(Generation, TopKOfOneIsGreedy) {
  GenerationSettings settings;
  settings.temperature = 0.7;
  settings.top_k = 1;
  EXPECT_EQ(run(listing(), settings).ids, run(listing(), {}).ids);
}

TEST(Generation, APenaltyChangesWhatIsRepeated) {
  GenerationSettings settings;
  settings.repetition_penalty = 3;
  settings.max_new_tokens = 20;
  GenerateOptions options = twin().options;
  options.ignore_eos = true;
  EXPECT_NE(run(listing(), settings, options).ids, run(listing(), {.max_new_tokens = 20}, options).ids);
}

TEST(Generation, EndsBeforeAStopString) {
  const Generation whole = run(listing(), {});
  ASSERT_GT(whole.text.size(), 20u);
  EXPECT_EQ(whole.text, twin().processor.tokenizer.decode(whole.text_ids()));
  EXPECT_EQ(whole.stop_string, "");
  for (size_t begin = 1; begin + 7 < whole.text.size(); begin += 9) {
    GenerationSettings settings;
    settings.stop = {"nowhere in it", whole.text.substr(begin, 7)};
    std::string streamed;
    GenerateOptions options = twin().options;
    options.on_text = [&](const std::string& text) { streamed += text; };
    const Generation g = run(listing(), settings, options);
    EXPECT_EQ(g.finish_reason, "stop");
    EXPECT_EQ(g.stop_string, settings.stop[1]);
    EXPECT_EQ(g.text, whole.text.substr(0, whole.text.find(settings.stop[1])));
    EXPECT_EQ(streamed, g.text) << "the same text, as it came";
    EXPECT_EQ(g.ids, std::vector<int64_t>(whole.ids.begin(), whole.ids.begin() + static_cast<int>(g.ids.size())));
    EXPECT_EQ(g.text_ids(), g.ids);
  }
}

TEST(Generation, AThinkingBudgetForcesTheEndOfThinking) {
  const int64_t open = twin().id("<think>"), close = twin().id("</think>");
  const Prompt& shapes = brief();
  const Generation whole = run(shapes, {});
  ASSERT_EQ(whole.ids[0], open);
  const auto thought = std::find(whole.ids.begin(), whole.ids.end(), close) - whole.ids.begin() - 1;
  ASSERT_GE(thought, 2);
  for (const int64_t budget : {int64_t{0}, int64_t{1}, static_cast<int64_t>(thought), int64_t{500}}) {
    GenerationSettings settings;
    settings.thinking_budget = budget;
    const Generation g = run(shapes, settings);
    const auto most = std::min<int64_t>(budget, thought);
    ASSERT_GT(static_cast<int64_t>(g.ids.size()), most + 2);
    EXPECT_EQ(g.ids[static_cast<size_t>(most) + 1], close) << budget;
    EXPECT_TRUE(std::equal(g.ids.begin(), g.ids.begin() + most + 1, whole.ids.begin())) << budget;
    EXPECT_EQ(std::count(g.ids.begin(), g.ids.end(), close), 1) << "generation goes on behind it";
    EXPECT_EQ(g.forced, budget <= thought ? 1 : 0);
    EXPECT_EQ(parse_answer(g.text, false).thinking_closed, true);
    if (budget > thought) {
      EXPECT_EQ(g.ids, whole.ids);
    }
  }
}

/// GLM-4.1V opens a block for its answer: both tokens are forced, one after the other.
TEST(Generation, ABudgetMayForceSeveralTokens) {
  GenerateOptions options = twin().options;
  const int64_t second = twin().id("!");
  options.think.end.push_back(second);
  GenerationSettings settings;
  settings.thinking_budget = 3;
  const Generation g = run(listing(), settings, options);
  ASSERT_GT(g.ids.size(), 6u);
  EXPECT_EQ(g.ids[4], twin().id("</think>"));
  EXPECT_EQ(g.ids[5], second);
  EXPECT_EQ(g.forced, 2);
}

/// A block that the prompt opened counts, one in an earlier turn does not.
TEST(Generation, ABudgetKnowsWhatThePromptOpened) {
  GenerationSettings settings;
  settings.thinking_budget = 2;
  Prompt prompt = listing();
  const auto continued = [&](const std::vector<int64_t>& more) {
    Prompt p = prompt;
    p.ids.insert(p.ids.end(), more.begin(), more.end());
    p.types = token_types(p.ids, twin().model.config);
    p.positions = rope_index(p.ids, p.image_grids, {}, twin().model.config);
    return run(p, settings);
  };
  const int64_t open = twin().id("<think>"), close = twin().id("</think>"), a = twin().id("!");
  EXPECT_EQ(continued({open, a, a}).ids[0], close);
  EXPECT_NE(continued({open, a}).ids[0], close);
  EXPECT_EQ(continued({open, a}).ids[1], close);
  EXPECT_EQ(continued({open, close}).forced, 0);
  EXPECT_EQ(continued({open, a, a, twin().id("<|assistant|>")}).ids[0], twin().id("<think>"));
}

TEST(Generation, LogProbabilitiesAreThoseOfTheLogits) {
  GenerationSettings settings = sampled(1);
  settings.logprobs = 4;
  const Generation g = run(listing(), settings);
  Session session(twin().model, cpu_backend(), room(1));
  session.prefill(listing());
  ASSERT_EQ(g.logprobs.size(), g.ids.size());
  size_t others = 0;
  for (size_t i = 0; i < g.ids.size(); ++i) {
    const Tensor logits = session.last_logits();
    const auto* x = logits.data<double>();
    const int64_t n = logits.view.size();
    double sum = 0;
    for (int64_t v = 0; v < n; ++v) sum += std::exp(x[v]);
    const auto& top = g.logprobs[i].top;
    ASSERT_EQ(top.size(), 4u);
    // A sum of n exponentials and a handful of roundings at the size of the logits.
    const double eps = std::numeric_limits<double>::epsilon(), largest = *std::max_element(x, x + n);
    const double allowed = eps * (static_cast<double>(n) + 8 * (1 + std::abs(largest)));
    for (const auto& [id, logprob] : top) EXPECT_NEAR(logprob, x[id] - std::log(sum), allowed + eps * std::abs(x[id]));
    for (size_t k = 1; k < 4; ++k) EXPECT_GE(top[k - 1].second, top[k].second);
    EXPECT_EQ(top[0].first, std::max_element(x, x + n) - x);
    EXPECT_NEAR(g.logprobs[i].taken, x[g.ids[i]] - std::log(sum), allowed + 8 * eps * std::abs(x[g.ids[i]]));
    others += top[0].first != g.ids[i];
    session.step(g.ids[i]);
  }
  EXPECT_GT(others, 0u) << "sampling took a token that was not the most likely one";
}

/// One of each kind at once, with fewer places than prompts: each answers as it does alone.
TEST(Generation, InABatchEachHasTheAnswerThatItHasAlone) {
  std::vector<Prompt> prompts;
  std::vector<GenerationSettings> settings;
  for (int i = 0; i < 7; ++i) {
    prompts.push_back(i % 3 == 0 ? listing() : ask("List the objects.", "objects-003-0", i % 3 == 1));
    settings.push_back(i % 2 == 0 ? sampled(static_cast<uint64_t>(i)) : GenerationSettings{.max_new_tokens = 30});
  }
  settings[1].thinking_budget = 4;
  settings[2].thinking_budget = 7;
  settings[3].repetition_penalty = 1.3;
  settings[5].stop = {"e"};
  settings[6].logprobs = 2;
  for (const Backend* backend : {&cpu_backend(), &find_backend("cuda-emulated")}) {
    for (const bool margins : {true, false}) {
      GenerateOptions options = twin().options;
      options.margins = margins;
      BatchSession session(twin().model, DeviceWeights::upload(twin().model.weights, *backend), room(3));
      size_t done = 0;
      generate_all(session, prompts, twin().model.config, settings, options, [&](size_t i, const Generation& g) {
        ++done;
        const Generation alone = run(prompts[i], settings[i], options, *backend);
        EXPECT_EQ(g.ids, alone.ids) << i << " on " << backend->name;
        EXPECT_EQ(g.text, alone.text) << i;
        EXPECT_EQ(g.finish_reason, alone.finish_reason) << i;
        EXPECT_EQ(g.stop_string, alone.stop_string) << i;
        EXPECT_EQ(g.forced, alone.forced) << i;
        EXPECT_EQ(g.logprobs.size(), alone.logprobs.size()) << i;
      });
      EXPECT_EQ(done, prompts.size());
    }
  }
}

TEST(Generation, WhatCannotBeHadIsAnError) {
  const auto expect = [&](const GenerationSettings& settings, const GenerateOptions& options, const char* word) {
    try {
      run(listing(), settings, options);
      ADD_FAILURE() << word;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::usage) << word;
      EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << e.what();
    }
  };
  expect({.stop = {"x"}}, {}, "tokenizer");
  GenerationSettings budget;
  budget.thinking_budget = 3;
  expect(budget, {}, "<think>");
  expect({.max_new_tokens = 0}, {}, "max_new_tokens");
  EXPECT_THROW(think_tokens(twin().processor.tokenizer, ChatTemplate::glm41v), Error) << "no <answer> in the twin";
}

}  // namespace
}  // namespace glmv
