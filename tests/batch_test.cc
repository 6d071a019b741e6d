// Several sequences at once, and decode steps as graphs: neither may change what a sequence computes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "reference/backends.h"
#include "reference/core/compare.h"
#include "reference/model/generate.h"
#include "reference/rmsnorm.h"
#include "reference/silu_mul.h"

namespace glmv {
namespace {

const std::string kTwin = GLMV_SOURCE_DIR "/data/tiny/glm45v";

const Backend& emulated() { return find_backend("cuda-emulated"); }
std::vector<const Backend*> with_graphs() { return {&emulated(), &find_backend("hip-emulated")}; }
const Model& twin() {
  static const Model model = Model::open(kTwin);
  return model;
}

Prompt ask(const std::string& question, const std::vector<std::string>& pictures, bool think = false) {
  static const Processor processor = Processor::open(kTwin);
  Message user{"user", {}, {}};
  std::vector<Image> images;
  for (const std::string& name : pictures) {
    images.push_back(read_image(kTwin + "/heldout/" + name + ".png"));
    user.content.push_back({ContentPart::Kind::image, ""});
  }
  user.content.push_back({ContentPart::Kind::text, question});
  ChatOptions options;
  options.enable_thinking = think;
  return make_prompt(processor, {user}, options, images, {});
}

/// Prompts of different lengths whose answers have different lengths.
const std::vector<Prompt>& prompts() {
  static const std::vector<Prompt> all = {
      ask("How many circles are there?", {"objects-001-0"}, true),
      ask("What number is written?", {"number-000-0"}),
      ask("Which picture has more objects?", {"compare-000-0", "compare-000-1"}),
      ask("List the objects.", {"objects-000-0"}),
      ask("What?", {}),
  };
  return all;
}

/// A sequence's tokens, and the logits [tokens, V] that each was chosen from.
struct Answer {
  std::vector<int64_t> ids;
  std::vector<Tensor> logits;
};

Tensor rows_of(const std::vector<Tensor>& vectors) {
  Tensor all(DType::f64, {static_cast<int64_t>(vectors.size()), vectors[0].view.dim[0]});
  for (size_t i = 0; i < vectors.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    convert(vectors[i].view, reshape(slice(all.view, 0, row, row + 1), {vectors[i].view.dim[0]}));
  }
  return all;
}

struct How {
  DType activation = DType::f32;
  int64_t page_size = 0, most = 12;  ///< tokens of an answer
  bool graphs = true;
  Reduction reduction = Reduction::blocked;

  SessionOptions session(int64_t sequences) const {
    SessionOptions o;
    o.activation = activation;
    o.page_size = page_size;
    o.sequences = sequences;
    o.graphs = graphs;
    o.reduction = reduction;
    for (const Prompt& p : prompts()) {
      o.max_tokens = std::max(o.max_tokens, static_cast<int64_t>(p.ids.size()) + most);
    }
    return o;
  }
};

bool is_end(int64_t token) {
  const auto& ends = twin().config.eos_token_ids;
  return std::count(ends.begin(), ends.end(), token) > 0;
}

/// One prompt alone; if `path` is given its tokens are fed whatever is chosen.
Answer alone(const Backend& backend, const Prompt& prompt, const How& how, const std::vector<int64_t>* path = nullptr) {
  Session session(twin(), backend, how.session(1));
  Answer out;
  const size_t most = path != nullptr ? path->size() : static_cast<size_t>(how.most);
  int64_t token = session.prefill(prompt);
  while (true) {
    out.ids.push_back(token);
    out.logits.push_back(session.last_logits());
    if (out.ids.size() == most || (path == nullptr && is_end(token))) return out;
    token = session.step(path != nullptr ? (*path)[out.ids.size() - 1] : token);
  }
}

/// All prompts, `sequences` at once: the next joins when one has ended.
std::vector<Answer> together(const Backend& backend, const How& how, int64_t sequences) {
  BatchSession session(twin(), DeviceWeights::upload(twin().weights, backend), how.session(sequences));
  const int64_t pages = session.free_pages();
  std::vector<Answer> answers(prompts().size());
  std::map<int64_t, size_t> running;  // sequence -> prompt
  const auto look = [&](int64_t sequence) {
    Answer& a = answers[running.at(sequence)];
    a.logits.push_back(session.logits(sequence));
    a.ids.push_back(session.token(sequence));
    if (static_cast<int64_t>(a.ids.size()) < how.most && !is_end(a.ids.back())) return;
    session.finish(sequence);
    running.erase(sequence);
  };
  size_t next = 0;
  while (next < prompts().size() || !running.empty()) {
    if (next < prompts().size() && session.live() < sequences) {
      const int64_t sequence = session.add(prompts()[next]);
      running[sequence] = next++;
      look(sequence);
      continue;
    }
    session.step();
    for (const auto& [sequence, prompt] : std::map<int64_t, size_t>(running)) look(sequence);
  }
  EXPECT_EQ(session.free_pages(), pages) << "every page was given back";
  return answers;
}

void expect_same_bits(const Answer& a, const Answer& b, const std::string& what) {
  ASSERT_EQ(a.ids, b.ids) << what;
  EXPECT_EQ(compare_exact(rows_of(a.logits).view, rows_of(b.logits).view).different, 0) << what;
}

/// Within 1 ulp + twice the noise of the reference's own orders of summation, measured along the same tokens.
void expect_within_noise(const Answer& got, const Prompt& prompt, const How& how, const std::string& what) {
  How gold = how;
  gold.activation = DType::f64;
  Noise noise;
  noise.rounded_to = how.activation;
  for (const Reduction r : legal_reductions(twin().config.text.vocab_size)) {
    How legal = how;
    legal.reduction = r;
    noise.legal.push_back(rows_of(alone(cpu_backend(), prompt, legal, &got.ids).logits));
  }
  const Tensor truth = rows_of(alone(cpu_backend(), prompt, gold, &got.ids).logits);
  const Comparison c = compare(truth.view, rows_of(got.logits).view, noise);
  EXPECT_TRUE(c.within()) << what << ": " << c.bad << " of " << c.elements << " bad, worst "
                          << index_text(truth.view, c.worst) << " got " << c.got << " gold " << c.gold << " allowed "
                          << c.allowed;
  std::cout << what << ": " << got.ids.size() << " tokens, peak " << c.peak_ulp << " ulp, " << c.excess
            << " of allowed\n";
}

// ---- Batches

TEST(Batch, OnTheReferenceEverySequenceHasTheBitsItHasAlone) {
  for (const DType activation : {DType::f32, DType::bf16}) {
    for (const int64_t page : {0, 64, 4}) {
      const How how{activation, page};
      const std::vector<Answer> answers = together(cpu_backend(), how, 3);
      size_t tokens = 0;
      for (size_t i = 0; i < answers.size(); ++i) {
        const std::string what = concat(name_of(activation), " page ", page, " prompt ", i);
        expect_same_bits(answers[i], alone(cpu_backend(), prompts()[i], how), what);
        tokens += answers[i].ids.size();
      }
      EXPECT_GT(tokens, 25u);
    }
  }
}

/// In f32 the plain kernels sum in an order that batches do not change; in bf16 the tuned ones choose by the number of
/// rows.
TEST(Batch, OnTheEmulatedDeviceTheyDifferByNoMoreThanNoise) {
  for (const int64_t page : {0, 64}) {
    const How f32{DType::f32, page, 5};
    const std::vector<Answer> exact = together(emulated(), f32, 3);
    for (size_t i = 0; i < exact.size(); ++i)
      expect_same_bits(exact[i], alone(emulated(), prompts()[i], f32), concat("f32 page ", page, " prompt ", i));
    const How bf16{DType::bf16, page, 5};
    const std::vector<Answer> tuned = together(emulated(), bf16, 3);
    for (size_t i = 0; i < tuned.size(); ++i) {
      const std::string what = concat("bf16 page ", page, " prompt ", i);
      EXPECT_EQ(tuned[i].ids, alone(emulated(), prompts()[i], bf16).ids) << what;
      expect_within_noise(tuned[i], prompts()[i], bf16, what);
    }
  }
}

TEST(Batch, ATokenThatWasNotChosenIsFedAllTheSame) {
  const Prompt& prompt = prompts()[4];
  for (const Backend* backend : {&cpu_backend(), &emulated()}) {
    const How how{DType::f32, 8};
    Session session(twin(), *backend, how.session(1));
    Prompt longer = prompt;
    int64_t token = session.prefill(prompt);
    for (int step = 0; step < 4; ++step) {  // the third and fourth are replayed where steps are graphs
      token = (token + 7) % 50;
      longer.ids.push_back(token);
      token = session.step(token);
    }
    longer.types = token_types(longer.ids, twin().config);
    longer.positions = rope_index(longer.ids, {}, {}, twin().config);
    Session whole(twin(), *backend, how.session(1));
    EXPECT_EQ(whole.prefill(longer), token) << backend->name;
    EXPECT_EQ(compare_exact(whole.last_logits().view, session.last_logits().view).different, 0) << backend->name;
  }
}

TEST(Batch, GenerateAllGivesWhatGenerateGives) {
  GenerateOptions options;
  const std::vector<GenerationSettings> settings(prompts().size(), {.max_new_tokens = 6});
  const How how{DType::f32, 64};
  BatchSession session(twin(), DeviceWeights::upload(twin().weights, cpu_backend()), how.session(2));
  std::vector<size_t> order;
  generate_all(session, prompts(), twin().config, settings, options, [&](size_t i, const Generation& g) {
    order.push_back(i);
    Session one(twin(), cpu_backend(), how.session(1));
    const Generation expected = generate(one, prompts()[i], twin().config, settings[i], options);
    EXPECT_EQ(g.ids, expected.ids) << i;
    EXPECT_EQ(g.margins, expected.margins) << i;
    EXPECT_EQ(g.finish_reason, expected.finish_reason) << i;
  });
  EXPECT_EQ(order.size(), prompts().size());
  EXPECT_EQ(session.live(), 0);
  int64_t seen = 0;
  options.on_token = [&](int64_t) { return ++seen < 3; };
  size_t cancelled = 0;
  generate_all(session, prompts(), twin().config, settings, options,
               [&](size_t, const Generation& g) { cancelled += g.finish_reason == "cancelled"; });
  EXPECT_EQ(cancelled, 2u);
  EXPECT_EQ(session.live(), 0);
}

TEST(Batch, WhatIsNotThereIsAnError) {
  const How how{DType::f32, 64};
  BatchSession session(twin(), DeviceWeights::upload(twin().weights, cpu_backend()), how.session(1));
  session.step();  // nothing lives, nothing happens
  const int64_t first = session.add(prompts()[0]);
  EXPECT_THROW(session.add(prompts()[1]), Error);
  EXPECT_THROW(session.token(first + 1), Error);
  session.step();
  EXPECT_NO_THROW(session.logits(first));
  session.finish(first);
  EXPECT_THROW(session.token(first), Error);
  const int64_t second = session.add(prompts()[4]);
  EXPECT_NE(second, first);
  while (session.length(second) < how.session(1).max_tokens) session.step();
  try {
    session.step();
    FAIL() << "a token more than there is room for";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_input);
    EXPECT_NE(std::string(e.what()).find("full"), std::string::npos) << e.what();
  }
}

// ---- Graphs

TEST(Graphs, AReplayedStepHasTheBitsOfOneThatRuns) {
  for (const Backend* backend : with_graphs()) {
    for (const DType activation : {DType::f32, DType::bf16}) {
      for (const int64_t page : {0, 8}) {  // of 8: lengths cross into other plans, which are other graphs
        How how{activation, page, 12};
        const Prompt& prompt = prompts()[0];
        const Answer replayed = alone(*backend, prompt, how);
        how.graphs = false;
        expect_same_bits(replayed, alone(*backend, prompt, how),
                         concat(backend->name, ' ', name_of(activation), " page ", page));
        EXPECT_GE(replayed.ids.size(), 8u);
      }
    }
  }
}

TEST(Graphs, AreCapturedOncePerPlanAndLaunchedFromThenOn) {
  for (const Backend* backend : with_graphs()) {
    const How how{DType::bf16, 16};
    Session session(twin(), *backend, how.session(1));
    int64_t token = session.prefill(ask("What?", {}));
    const int64_t begin = session.length();
    for (int step = 0; step < 20; ++step) token = session.step(token);
    // Pages in the plan are the next power of two: 1 for 16 tokens, 2 for 32, 4 for 64.
    const auto plan = [](int64_t tokens) { return tokens <= 16 ? 0 : tokens <= 32 ? 1 : 2; };
    const int64_t plans = plan(begin + 20) - plan(begin + 1) + 1;
    EXPECT_EQ(session.graphs().captured(), plans) << backend->name;
    EXPECT_EQ(session.graphs().launched(), 20 - plans) << "the first step of a plan runs as it is";
    EXPECT_GE(plans, 2);
  }
}

/// The emulated device with one op replaced.
template <class F>
Backend emulated_with(F change) {
  Backend b = emulated();
  change(b.ops);
  return b;
}

void expect_not_capturable(const Backend& backend, const std::string& word) {
  Session session(twin(), backend, How{DType::bf16}.session(1));
  int64_t token = session.prefill(prompts()[4]);
  token = session.step(token);  // runs as it is, and so does what cannot be captured
  try {
    session.step(token);
    FAIL() << word << " went unnoticed";
  } catch (const Error& e) {
    const std::string text = e.what();
    EXPECT_NE(text.find(word), std::string::npos) << text;
    EXPECT_NE(text.find("captured"), std::string::npos) << text;
  }
}

TEST(Graphs, AStepThatWaitsOrTakesMemoryIsReported) {
  expect_not_capturable(emulated_with([](OpTable& t) {
                          t.silu_mul.run = [](const SiluMulArgs& a, Exec e) {
                            emulated().ops.silu_mul.run(a, e);
                            emulated().sync(e.stream);
                          };
                        }),
                        "cudaStreamSynchronize");
  expect_not_capturable(emulated_with([](OpTable& t) {
                          t.silu_mul.run = [](const SiluMulArgs& a, Exec e) {
                            emulated().free(emulated().alloc(64));
                            emulated().ops.silu_mul.run(a, e);
                          };
                        }),
                        "cudaMalloc");
  expect_not_capturable(emulated_with([](OpTable& t) {
                          t.silu_mul.run = [](const SiluMulArgs& a, Exec e) {
                            to_host(emulated(), a.gate);
                            emulated().ops.silu_mul.run(a, e);
                          };
                        }),
                        "cudaMemcpy");
  expect_not_capturable(emulated_with([](OpTable& t) {
                          t.silu_mul.run = [](const SiluMulArgs& a, Exec e) {
                            e.stream = {};
                            emulated().ops.silu_mul.run(a, e);
                          };
                        }),
                        "default stream");
}

TEST(Logits, ThatAreNoNumbersAreNamedOnEveryBackend) {
  for (const Backend* original : {&cpu_backend(), &emulated()}) {
    Backend backend = *original;
    static bool spoil = false;
    static void (*rmsnorm)(const RmsNormArgs&, Exec) = nullptr;
    rmsnorm = original->ops.rmsnorm.run;
    backend.ops.rmsnorm.run = [](const RmsNormArgs& a, Exec e) {
      RmsNormArgs wrong = a;
      if (spoil) wrong.eps = NAN;
      rmsnorm(wrong, e);
    };
    const auto expect_named = [&](int64_t steps) {
      How how{DType::f32};
      how.graphs = false;
      spoil = false;
      Session session(twin(), backend, how.session(1));
      try {
        spoil = steps == 0;
        int64_t token = session.prefill(prompts()[4]);
        spoil = true;
        token = session.step(token);
        FAIL() << "NaN went unnoticed on " << backend.name;
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), ExitCode::bad_input);
        EXPECT_NE(std::string(e.what()).find("not finite"), std::string::npos) << e.what();
      }
    };
    expect_named(0);
    expect_named(1);
  }
}

}  // namespace
}  // namespace glmv
