// Random weights made on a backend: the same on every one, and refused before anything is made where they do not fit.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "reference/backends.h"
#include "reference/core/rows.h"
#include "reference/model/generate.h"
#include "reference/model/procedural_weights.h"
#include "simt/device_memory.h"
#include "simt/settings.h"

namespace glmv {
namespace {

const std::string kGolden = GLMV_SOURCE_DIR "/tests/golden/";

const Backend& emulated() { return find_backend("cuda-emulated"); }

/// Bits of every tensor, in the order of the structs.
std::vector<Tensor> bits_of(const DeviceWeights& d) {
  std::vector<Tensor> all;
  Weights weights = d.weights();
  for_each_matrix(weights, [&](Weight& w) {
    for (const ConstTensorView* v : {&w.data, &w.scale}) {
      if (*v) all.push_back(to_host(d.backend(), *v));
    }
  });
  return all;
}

ModelConfig config_of(const std::string& name, bool quantised) {
  ModelConfig config = read_config(kGolden + name);
  if (quantised) config.quantization.method = "compressed-tensors";
  return config;
}

TEST(RandomWeights, AreTheSameOnTheHostAndOnTheDevice) {
  for (const char* name : {"moe_a", "dense_a"}) {
    for (const bool quantised : {false, true}) {
      const ModelConfig config = config_of(name, quantised);
      const auto host = bits_of(*DeviceWeights::random(config, cpu_backend()));
      const auto device = bits_of(*DeviceWeights::random(config, emulated()));
      ASSERT_EQ(host.size(), device.size());
      size_t fp8 = 0;
      for (size_t i = 0; i < host.size(); ++i) {
        ASSERT_EQ(host[i].view.dtype, device[i].view.dtype);
        ASSERT_EQ(host[i].view.bytes(), device[i].view.bytes());
        EXPECT_EQ(std::memcmp(host[i].view.data, device[i].view.data, static_cast<size_t>(host[i].view.bytes())), 0)
            << name << " tensor " << i << ' ' << host[i].view;
        EXPECT_EQ(first_not_finite(host[i].view), -1);
        fp8 += host[i].view.dtype == DType::f8e4m3;
      }
      EXPECT_EQ(fp8 > 0, quantised && config.text.num_experts > 0) << name;
    }
  }
}

TEST(RandomWeights, FollowTheLawOfProceduralWeights) {
  const ModelConfig config = config_of("moe_a", false);
  const DeviceWeights::Shared made = DeviceWeights::random(config, cpu_backend());
  Weights expected =
      procedural_weights(config, [](const std::string& name) { return name.rfind("model.visual.", 0) != 0; });
  std::vector<ConstTensorView> views;
  for_each_matrix(expected, [&](Weight& w) {
    if (w) views.push_back(w.data);
  });
  const std::vector<Tensor> got = bits_of(*made);
  ASSERT_EQ(got.size(), views.size());
  for (size_t i = 0; i < got.size(); ++i) {
    const Tensor copy = to_host(cpu_backend(), views[i]);
    ASSERT_EQ(copy.view.bytes(), got[i].view.bytes()) << views[i] << ' ' << got[i].view;
    EXPECT_EQ(std::memcmp(copy.view.data, got[i].view.data, static_cast<size_t>(copy.view.bytes())), 0) << views[i];
  }
}

TEST(RandomWeights, RunWithFewerLayersAndGiveTheSameTokensOnBothBackends) {
  Model model = Model::without_weights(kGolden + "moe_a/config.json", 2);
  EXPECT_EQ(model.config.text.num_layers, 2);
  EXPECT_THROW(Model::without_weights(kGolden + "moe_a", 1000), Error);
  model.config.quantization.method = "compressed-tensors";
  const Prompt prompt = random_prompt(model.config, 9, 0);
  EXPECT_EQ(prompt.ids, random_prompt(model.config, 9, 0).ids);
  EXPECT_NE(prompt.ids, random_prompt(model.config, 9, 1).ids);
  GenerateOptions how;
  how.ignore_eos = true;
  SessionOptions options;
  options.max_tokens = 20;
  std::vector<std::vector<int64_t>> answers;
  for (const Backend* b : {&cpu_backend(), &emulated()}) {
    Session session(model, DeviceWeights::random(model.config, *b), options);
    answers.push_back(generate(session, prompt, model.config, {.max_new_tokens = 5}, how).ids);
  }
  EXPECT_EQ(answers[0].size(), 5u);
  EXPECT_EQ(answers[0], answers[1]);
}

/// Runs f on a device with that many bytes free and returns its error.
template <class F>
std::string error_with_room(size_t free_bytes, F f) {
  const simt::ScopedSettings saved;
  const size_t used = simt::device_bytes_in_use();
  simt::settings().device_bytes = used + free_bytes;
  try {
    f();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_input);
    EXPECT_EQ(simt::device_bytes_in_use(), used) << "everything was given back";
    return e.what();
  }
  return "no error";
}

void expect_words(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& word : words) EXPECT_NE(text.find(word), std::string::npos) << word << " in: " << text;
}

TEST(Memory, TooLittleIsNamedBeforeAnythingIsMade) {
  const Model model = Model::open(kGolden + "moe_a");
  const size_t random = DeviceWeights::random_bytes(model.config, emulated());
  expect_words(
      error_with_room(random - 1, [&] { DeviceWeights::random(model.config, emulated()); }),
      {"out of memory", std::to_string(random), std::to_string(random - 1) + " of", "weights", "cuda-emulated"});
  EXPECT_EQ(error_with_room(random, [&] { DeviceWeights::random(model.config, emulated()); }), "no error");
  const DeviceWeights::Shared there = DeviceWeights::upload(model.weights, emulated());
  expect_words(error_with_room(there->bytes() - 1, [&] { DeviceWeights::upload(model.weights, emulated()); }),
               {"out of memory", std::to_string(there->bytes()), "weights"});
  SessionOptions options;
  options.max_tokens = 1000;
  options.page_size = 64;
  const size_t cache = BatchSession::cache_bytes(model.config, options);
  expect_words(error_with_room((size_t{8} << 20) + cache / 2,  // constants have room
                               [&] {
                                 options.max_tokens = 1000000;
                                 BatchSession session(model, there, options);
                               }),
               {"out of memory", "KV cache", "pages of 64 tokens"});
}

TEST(Memory, WhatAPassTakesIsReservedBeforeItIsLaunched) {
  const Model model = Model::open(kGolden + "moe_a");
  const DeviceWeights::Shared weights = DeviceWeights::upload(model.weights, emulated());
  for (const DType activation : {DType::f32, DType::bf16}) {
    SessionOptions options;
    options.activation = activation;
    options.max_tokens = 1000;
    options.page_size = 64;
    options.sequences = 3;
    BatchSession session(model, weights, options);
    const Prompt prompt = random_prompt(model.config, 900, 0);
    const simt::ScopedSettings saved;
    const size_t used = simt::device_bytes_in_use();
    simt::settings().device_bytes = used + 100000;
    try {
      session.add(prompt);
      FAIL() << "a pass of 900 tokens in 100,000 bytes";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_input);
      expect_words(e.what(), {"out of memory", "activations", "100000 of"});
    }
    EXPECT_EQ(simt::device_bytes_in_use(), used);
    EXPECT_EQ(session.live(), 0);
    EXPECT_EQ(session.free_pages(), 3 * 16) << "the pages of the prompt that could not run were given back";
    simt::settings() = simt::Settings();
    session.add(prompt);
    const size_t with_room = simt::device_bytes_in_use();
    EXPECT_GT(with_room, used + 100000);
    session.add(random_prompt(model.config, 20, 1));
    session.add(random_prompt(model.config, 450, 2));
    for (int step = 0; step < 4; ++step) session.step();
    EXPECT_EQ(simt::device_bytes_in_use(), with_room) << "smaller passes need no more";
  }
}

/// The planner's limits: a head width and ratios without a tuned kernel run on another path, and agree.
TEST(Shapes, OddOnesRunAndGiveTheTokensOfTheReference) {
  struct Odd {
    int64_t heads, kv_heads, width;
  };
  for (const Odd& odd : {Odd{3, 1, 24}, Odd{20, 1, 16}, Odd{5, 5, 40}}) {
    Model model = Model::without_weights(kGolden + "moe_a/config.json", 2);
    model.config.text.num_heads = odd.heads;
    model.config.text.num_kv_heads = odd.kv_heads;
    model.config.text.head_dim = odd.width;
    SessionOptions options;
    options.max_tokens = 20;
    options.activation = DType::bf16;
    GenerateOptions how;
    how.ignore_eos = true;
    std::vector<std::vector<int64_t>> answers;
    for (const Backend* b : {&cpu_backend(), &emulated()}) {
      Session session(model, DeviceWeights::random(model.config, *b), options);
      answers.push_back(
          generate(session, random_prompt(model.config, 11, 4), model.config, {.max_new_tokens = 3}, how).ids);
    }
    EXPECT_EQ(answers[0], answers[1]) << odd.heads << '/' << odd.kv_heads << " heads of " << odd.width;
  }
}

TEST(Types, ThatADeviceDoesNotComputeInAreRefusedBeforeAnythingIsCopied) {
  Model model = Model::open(kGolden + "moe_a");
  SessionOptions options;
  options.max_tokens = 4;
  options.activation = DType::f64;
  const auto expect_usage = [](const auto& f) {
    try {
      f();
      FAIL() << "f64 on a device";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::usage);
      expect_words(e.what(), {"cuda-emulated", "f64"});
    }
  };
  expect_usage([&] { Session session(model, emulated(), options); });
  Tensor wide(DType::f64, model.weights.norm.data);
  model.weights.norm.data = wide.view;
  expect_usage([&] { DeviceWeights::upload(model.weights, emulated()); });
}

/// Tables of experts are made with the weights, not by every pass.
TEST(DeviceWeights, ExpertsHaveTheirTable) {
  const Model model = Model::open(kGolden + "moe_a");
  const auto tables = [](const DeviceWeights::Shared& d) {
    int64_t n = 0;
    for (const TextLayerWeights& layer : d->weights().layers) n += layer.moe.table != nullptr ? 1 : 0;
    return n;
  };
  const auto layers = static_cast<int64_t>(model.weights.layers.size()) - model.config.text.first_dense_layers;
  EXPECT_EQ(tables(DeviceWeights::upload(model.weights, emulated())), layers);
  EXPECT_EQ(tables(DeviceWeights::random(model.config, emulated())), layers);
  EXPECT_EQ(tables(DeviceWeights::upload(model.weights, cpu_backend())), 0);
}

TEST(Memory, TheHostKnowsHowMuchItHas) {
  const MemoryInfo host = cpu_backend().memory();
  EXPECT_LE(host.free, host.total);
  if (host.total == 0) GTEST_SKIP() << "/proc/meminfo tells nothing";
  EXPECT_THROW(check_memory(cpu_backend(), host.total + 1, "a test"), Error);
  EXPECT_NO_THROW(check_memory(cpu_backend(), 1, "a test"));
}

}  // namespace
}  // namespace glmv
