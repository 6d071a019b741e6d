#include "data/frame_sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "image_crc.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using Indices = std::vector<int64_t>;

constexpr SamplingConfig k45V{};
constexpr SamplingConfig k46V{SamplingRule::glm46v};

Indices every(int64_t step, int64_t count) {
  Indices out;
  for (int64_t i = 0; i < count; ++i) out.push_back(i * step);
  return out;
}

Indices first(const Indices& all, size_t n) { return {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n)}; }
Indices last(const Indices& all, size_t n) { return {all.end() - static_cast<std::ptrdiff_t>(n), all.end()}; }

// The vectors of the specification; random clips follow below.
TEST(FrameSampling, OfGlm45V) {
  EXPECT_EQ(sample_frames({300, 30, 10}, k45V), every(15, 20));
  EXPECT_EQ(sample_frames({100, 25, 4}, k45V), (Indices{0, 13, 25, 38, 50, 63, 75, 88}));
  EXPECT_EQ(sample_frames({5, 1, 5}, k45V), (Indices{0, 1, 2, 3, 4, 4}));
  const Indices long_clip = sample_frames({20000, 30, 666.67}, k45V);
  EXPECT_EQ(long_clip.size(), 600u);
  EXPECT_EQ(first(long_clip, 6), (Indices{0, 34, 67, 101, 134, 167}));
  EXPECT_EQ(last(long_clip, 3), (Indices{19934, 19967, 19999}));
}

TEST(FrameSampling, OfGlm46V) {
  const Indices ten_seconds = sample_frames({300, 30, 10}, k46V);
  EXPECT_EQ(ten_seconds.size(), 60u);
  EXPECT_EQ(first(ten_seconds, 11), every(5, 11));
  EXPECT_EQ(ten_seconds[11], 56);  // not 55: eleven sixths, added up, are a hair more than 55/30
  const Indices short_clip = sample_frames({100, 25, 4}, k46V);
  EXPECT_EQ(short_clip.size(), 24u);
  EXPECT_EQ(first(short_clip, 8), (Indices{0, 5, 9, 13, 17, 21, 25, 30}));
  EXPECT_EQ(last(short_clip, 3), (Indices{88, 92, 96}));
  EXPECT_EQ(sample_frames({3000, 30, 100}, k46V).size(), 200u);
  EXPECT_EQ(sample_frames({18000, 30, 600}, k46V).size(), 600u);
}

// tests/golden/clips/sampling.json: random clips, by the library's own code.
TEST(FrameSampling, OfRandomClipsIsTheLibrarys) {
  std::ifstream file(GLMV_SOURCE_DIR "/tests/golden/clips/sampling.json");
  const nlohmann::json cases = nlohmann::json::parse(file);
  ASSERT_EQ(cases.size(), 240u);
  for (const nlohmann::json& c : cases) {
    SamplingConfig config = c["rule"] == "glm46v" ? k46V : k45V;
    if (!c["rate"].is_null()) config.fps = c["rate"];
    const Indices got = sample_frames({c["frames"], c["fps"], c["duration"]}, config);
    EXPECT_EQ(got.size(), c["count"]) << c;
    EXPECT_EQ(crc_text(reinterpret_cast<const uint8_t*>(got.data()), got.size() * sizeof(int64_t)), c["crc"]) << c;
  }
}

TEST(FrameSampling, AClipUnderHalfASecondIsOnePair) {
  EXPECT_EQ(sample_frames({3, 10, 0.3}, k45V), (Indices{0, 0}));
  EXPECT_EQ(sample_frames({1, 30, 0}, k45V), (Indices{0, 0}));
  EXPECT_EQ(sample_frames({3, 30, 0.1}, k46V), (Indices{0, 0}));  // the library takes nothing and fails
}

TEST(FrameSampling, TheRateCanBeAskedFor) {
  SamplingConfig config = k45V;
  config.fps = 5;
  EXPECT_EQ(sample_frames({300, 30, 10}, config), every(6, 50));
  config.fps = 1e6;
  EXPECT_EQ(sample_frames({7, 30, 7 / 30.0}, config), (Indices{0, 1, 2, 3, 4, 5, 6, 6}));
  config.rule = SamplingRule::nothing;
  EXPECT_EQ(sample_frames({4, 30, 1}, config), every(1, 4));
}

TEST(FrameSampling, ALyingClipIsRefused) {
  const auto refused = [](const VideoMetadata& v, const SamplingConfig& config) {
    try {
      sample_frames(v, config);
      ADD_FAILURE() << v.total_frames << " frames, " << v.fps << " fps, " << v.duration << " s";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_input);
    }
  };
  for (const SamplingConfig& config : {k45V, k46V}) {
    refused({0, 30, 1}, config);
    refused({10, 0, 1}, config);
    refused({10, NAN, 1}, config);
    refused({10, 30, INFINITY}, config);
    refused({10, 30, -1}, config);
  }
  refused({1'000'000, 30, 33333}, {SamplingRule::nothing});
  SamplingConfig fast = k45V;
  fast.fps = 30000;
  refused({1'000'000, 30000, 33}, fast);
}

// A clip that claims to last for ages must not take ages.
TEST(FrameSampling, ExtremesEnd) {
  EXPECT_EQ(sample_frames({1'000'000, 1e-9, 1e300}, k45V).back(), 999'999);
  EXPECT_EQ(sample_frames({1'000'000, 1e12, 1e-6}, k46V), (Indices{0, 0}));
  EXPECT_LE(sample_frames({1'000'000, 1e-300, 1e300}, k46V).size(), 640u);
}

}  // namespace
}  // namespace glmv
