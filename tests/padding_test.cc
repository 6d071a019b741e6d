// Prompts that the library pads on the left, and positions beyond 60,000 (tests/golden/padding).
#include <gtest/gtest.h>

#include <iostream>

#include "data/safetensors.h"
#include "reference/backends.h"
#include "reference/core/compare.h"
#include "reference/core/rows.h"
#include "reference/model/glm4v.h"

namespace glmv {
namespace {

const std::string kGolden = GLMV_SOURCE_DIR "/tests/golden/";

const SafetensorsFile& golden() {
  static const SafetensorsFile file = SafetensorsFile::open(kGolden + "padding/golden.safetensors");
  return file;
}

ConstTensorView point(const std::string& name) { return golden().get(name); }

std::vector<int64_t> ids_of(const std::string& name) {
  const ConstTensorView v = point(name);
  const auto* first = static_cast<const int64_t*>(v.data);
  return {first, first + v.size()};
}

Prompt text_prompt(const std::vector<int64_t>& ids, const ModelConfig& config, int32_t first_position) {
  Prompt prompt;
  prompt.ids = ids;
  prompt.types = token_types(ids, config);
  prompt.positions = rope_index(ids, {}, {}, config);
  for (auto& position : prompt.positions.of_token) {
    for (int32_t& axis : position) axis += first_position;
  }
  prompt.positions.rope_delta += first_position;
  return prompt;
}

Tensor stacked(const std::vector<Tensor>& rows) {
  Tensor all(DType::f64, {static_cast<int64_t>(rows.size()), rows[0].view.dim[0]});
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    convert(rows[i].view, reshape(slice(all.view, 0, at, at + 1), {rows[i].view.dim[0]}));
  }
  return all;
}

/// Logits of our unpadded run along these tokens.
Tensor along(const Model& model, const Prompt& prompt, const std::vector<int64_t>& tokens, DType activation,
             Reduction reduction = Reduction::blocked) {
  SessionOptions options;
  options.activation = activation;
  options.reduction = reduction;
  options.max_tokens = static_cast<int64_t>(prompt.ids.size() + tokens.size());
  options.chunk = 4096;
  options.page_size = 64;
  Session session(model, cpu_backend(), options);
  session.prefill(prompt);
  std::vector<Tensor> rows = {session.last_logits()};
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    session.step(tokens[i]);
    rows.push_back(session.last_logits());
  }
  return stacked(rows);
}

/// Within 1 ulp + twice the largest distance of legal runs from our f64 run.
void expect_within(const Model& model, const Prompt& prompt, const std::vector<int64_t>& tokens,
                   const ConstTensorView& theirs, const std::vector<Tensor>& also_legal, const std::string& what) {
  Noise noise;
  for (const Reduction r : legal_reductions(model.config.text.vocab_size))
    noise.legal.push_back(along(model, prompt, tokens, DType::f32, r));
  for (const Tensor& legal : also_legal) {
    noise.legal.emplace_back(DType::f32, legal.view);
    convert(legal.view, noise.legal.back().view);
  }
  const Tensor gold = along(model, prompt, tokens, DType::f64);
  const Comparison c = compare(gold.view, theirs, noise);
  EXPECT_TRUE(c.within()) << what << ": " << c.bad << " of " << c.elements << ", worst got " << c.got << " gold "
                          << c.gold << " allowed " << c.allowed;
  std::cout << what << ": peak " << c.peak_ulp << " ulp, " << c.excess << " of allowed\n";
}

TEST(Padding, TheLibrarysPaddedPromptsHaveTheLogitsOfOursWithoutPadding) {
  for (const std::string name : {"moe_a", "dense_a"}) {
    const Model model = Model::open(kGolden + name);
    for (int i = 0; i < 3; ++i) {
      const std::string at = concat(name, '/', i, '/');
      const std::vector<int64_t> tokens = ids_of(at + "tokens");
      const Prompt prompt = text_prompt(ids_of(at + "ids"), model.config, 0);
      Tensor alone(DType::f32, point(at + "alone"));
      convert(point(at + "alone"), alone.view);
      expect_within(model, prompt, tokens, point(at + "alone"), {}, at + "alone");
      std::vector<Tensor> legal;
      legal.push_back(std::move(alone));
      expect_within(model, prompt, tokens, point(at + "padded"), legal, at + "padded");
    }
  }
}

/// A prompt of 60,050 tokens, prefilled in pieces into pages, and two steps; one f32 run of ours is the ruler.
TEST(Far, AContextOfSixtyThousandTokensIsTheLibrarys) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "takes minutes under AddressSanitizer; shorter contexts run there";
#endif
  const Model model = Model::open(kGolden + "padding/long");
  constexpr int64_t kTokens = 60050;
  const auto id = [](int64_t i) { return (7 * i * i + 3 * i) % 80; };
  std::vector<int64_t> ids(kTokens);
  for (int64_t i = 0; i < kTokens; ++i) ids[static_cast<size_t>(i)] = id(i);
  const Prompt prompt = text_prompt(ids, model.config, 0);
  const std::vector<int64_t> fed = {id(kTokens), id(kTokens + 1), 0};
  Noise noise;
  noise.legal.push_back(along(model, prompt, fed, DType::f32));
  const Comparison c = compare(along(model, prompt, fed, DType::f64).view, point("long/logits"), noise);
  EXPECT_EQ(c.elements, 3 * model.config.text.vocab_size);
  EXPECT_TRUE(c.within()) << c.bad << " bad, worst got " << c.got << " gold " << c.gold << " allowed " << c.allowed;
  std::cout << "60,050 tokens: peak " << c.peak_ulp << " ulp, " << c.excess << " of allowed\n";
}

TEST(Far, PositionsBeyondSixtyThousandAreTheLibrarys) {
  const auto far = static_cast<int32_t>(std::stoi(golden().metadata().at("far")));
  ASSERT_GT(far, 60000);
  for (const std::string name : {"moe_a", "dense_a"}) {
    const Model model = Model::open(kGolden + name);
    const std::vector<int64_t> ids = ids_of(name + "/far/ids");
    // The first token is the prompt, the others are fed: steps stand there too.
    const Prompt prompt = text_prompt({ids[0]}, model.config, far);
    const std::vector<int64_t> rest(ids.begin() + 1, ids.end());
    std::vector<int64_t> fed = rest;
    fed.push_back(0);
    expect_within(model, prompt, fed, point(name + "/far/logits"), {}, name + " far, step by step");
    const Tensor near = along(model, text_prompt({ids[0]}, model.config, 0), fed, DType::f32);
    EXPECT_GT(distance(point(name + "/far/logits"), near.view, DType::f32).peak_ulp, 0) << "positions count";
  }
}

}  // namespace
}  // namespace glmv
