// Sampling against the library's own processors (tests/golden/sampling), and what is decided beside them.
#include "reference/model/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "reference/core/error.h"

namespace glmv {
namespace {
using Json = nlohmann::json;

const Json& golden() {
  static const Json all = Json::parse(std::ifstream(GLMV_SOURCE_DIR "/tests/golden/sampling/golden.json"));
  return all;
}

GenerationSettings settings_of(const Json& s) {
  GenerationSettings out;
  out.temperature = s["temperature"];
  out.top_k = s["top_k"];
  out.top_p = s["top_p"];
  out.min_p = s["min_p"];
  out.repetition_penalty = s["repetition_penalty"];
  return out;
}

Tensor row(const std::vector<double>& values) {
  Tensor t(DType::f64, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.data<double>());
  return t;
}

TEST(Sampler, KeepsWhatTheLibraryKeepsAndPicksWhatItsProbabilitiesPick) {
  std::set<std::string> processors;
  size_t draws = 0, cut = 0;
  for (const Json& c : golden()["cases"]) {
    const std::string name = c["name"];
    const auto logits = c["logits"].get<std::vector<double>>();
    Sampler sampler(settings_of(c["settings"]), c["previous"], static_cast<int64_t>(logits.size()));
    const Scores scores = sampler.process(row(logits));
    std::vector<int64_t> kept;
    std::vector<float> values;
    for (size_t id = 0; id < scores.size(); ++id) {
      if (!std::isfinite(scores[id])) continue;
      kept.push_back(static_cast<int64_t>(id));
      values.push_back(scores[id]);
    }
    EXPECT_EQ(kept, c["kept"].get<std::vector<int64_t>>()) << name;
    EXPECT_EQ(values, c["scores"].get<std::vector<float>>()) << name << ": the library's scores bit by bit";
    cut += kept.size() < scores.size();
    for (const Json& p : c["processors"]) processors.insert(p);
    if (c.contains("argmax")) {
      EXPECT_EQ(sampler.choose(row(logits)), c["argmax"].get<int64_t>()) << name;
    }
    for (size_t i = 0; i < c.value("draws", Json::array()).size(); ++i, ++draws) {
      EXPECT_EQ(pick(scores, c["draws"][i]), c["chosen"][i].get<int64_t>()) << name << " draw " << c["draws"][i];
    }
  }
  EXPECT_EQ(processors.size(), 5u);
  EXPECT_GT(draws, 900u);
  EXPECT_GT(cut, 50u);
}

TEST(Sampler, DrawsAreTorchs) {
  for (const auto& [seed, expected] : golden()["uniform"].items()) {
    UniformDraws draws(std::stoull(seed));
    for (const Json& u : expected) EXPECT_EQ(draws.next(), u.get<double>()) << seed;
  }
}

TEST(Sampler, OneDrawPerToken) {
  GenerationSettings settings;
  settings.temperature = 1;
  settings.seed = 7;
  Sampler sampler(settings, {}, 8);
  UniformDraws draws(7);
  const Tensor logits = row({0, 0, 0, 0, 0, 0, 0, 0});
  std::set<int64_t> seen;
  for (int i = 0; i < 50; ++i) {
    const int64_t id = sampler.choose(logits);
    EXPECT_EQ(id, static_cast<int64_t>(draws.next() * 8));
    seen.insert(id);
  }
  EXPECT_EQ(seen.size(), 8u);
}

TEST(Sampler, AnswersCountForTheRepetitionPenaltyToo) {
  GenerationSettings settings;
  settings.repetition_penalty = 2;
  Sampler sampler(settings, {1}, 3);
  EXPECT_EQ(sampler.process(row({3, 4, -1})), (Scores{3, 2, -1}));
  sampler.took(2);
  sampler.took(0);
  EXPECT_EQ(sampler.process(row({3, 4, -1})), (Scores{1.5, 2, -2}));
}

TEST(Sampler, ScoresThatF32CannotHoldAreNamed) {
  GenerationSettings settings;
  settings.temperature = 1e-38;
  Sampler sampler(settings, {}, 2);
  try {
    sampler.process(row({10, 9}));
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
    EXPECT_NE(std::string(e.what()).find("temperature 1e-38"), std::string::npos) << e.what();
  }
}

TEST(Settings, ThatMeanNothingAreNamed) {
  const auto expect = [](auto change, const std::string& name) {
    GenerationSettings s;
    s.temperature = 1;
    change(s);
    try {
      check(s, "here: ");
      ADD_FAILURE() << name;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::usage) << name;
      EXPECT_TRUE(std::string(e.what()).starts_with("here: " + name)) << e.what();
    }
  };
  using S = GenerationSettings;
  const double nan = std::numeric_limits<double>::quiet_NaN(), infinity = std::numeric_limits<double>::infinity();
  for (const double bad : {nan, -1.0, infinity, 1e300, 1e-300}) {
    expect([&](S& s) { s.temperature = bad; }, "temperature");
  }
  for (const double bad : {nan, 0.0, -0.5, 1.01}) expect([&](S& s) { s.top_p = bad; }, "top_p");
  for (const double bad : {nan, -0.1, 1.01}) expect([&](S& s) { s.min_p = bad; }, "min_p");
  for (const double bad : {nan, 0.0, -1.0, infinity}) {
    expect([&](S& s) { s.repetition_penalty = bad; }, "repetition_penalty");
  }
  expect([](S& s) { s.top_k = -1; }, "top_k");
  expect([](S& s) { s.max_new_tokens = 0; }, "max_new_tokens");
  expect([](S& s) { s.seed = uint64_t{1} << 32; }, "seed");
  expect([](S& s) { s.stop = {"a", ""}; }, "stop is an empty text");
  expect([](S& s) { s.stop = {"\xff"}; }, "stop is not UTF-8");
  expect([](S& s) { s.thinking_budget = -1; }, "thinking_budget");
  expect([](S& s) { s.logprobs = 1001; }, "logprobs");
  expect([](S& s) { s.temperature = 0, s.top_k = 3; }, "top_k has no effect");
  expect([](S& s) { s.temperature = 0, s.top_p = 0.5; }, "top_p has no effect");
  EXPECT_NO_THROW(check(S{}, ""));
}

}  // namespace
}  // namespace glmv
