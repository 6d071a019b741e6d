// What must not change the model's bits, and what must.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "crosscheck/crosscheck.h"
#include "crosscheck/record.h"
#include "reference/core/parallel.h"
#include "reference/model/summary.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;

const std::string kGolden = GLMV_SOURCE_DIR "/tests/golden/";

Script script_from(const Model& model, const std::string& trace) {
  Script s = script_of(model, theirs_from(SafetensorsFile::open(trace)));
  s.forced.clear();
  return s;
}

/// Every point of both recordings, bit for bit.
void expect_equal(const Recording& a, const Recording& b, const std::string& what) {
  ASSERT_EQ(a.points().size(), b.points().size()) << what;
  for (const auto& [name, value] : a.points()) {
    const Tensor& other = b.get(name);
    ASSERT_EQ(value.view.bytes(), other.view.bytes()) << what << ' ' << name;
    EXPECT_EQ(std::memcmp(value.view.data, other.view.data, static_cast<size_t>(value.view.bytes())), 0)
        << what << ' ' << name;
  }
}

class Invariance : public testing::TestWithParam<std::tuple<const char*, DType>> {
 protected:
  Model model = Model::open(kGolden + std::get<0>(GetParam()));
  Script script = script_from(model, kGolden + std::get<0>(GetParam()) + "/traces/greedy.safetensors");
  RecordOptions options = [] {
    RecordOptions o;
    o.activation = std::get<1>(GetParam());
    return o;
  }();

  Recording run(const RecordOptions& o) const { return record(model, cpu_backend(), script, o); }
};

TEST_P(Invariance, ChunkedPrefillIsWholePrefill) {
  const Recording whole = run(options);
  for (const int64_t chunk : {1, 3, 7}) {
    RecordOptions chunked = options;
    chunked.chunk = chunk;
    expect_equal(whole, run(chunked), concat("chunks of ", chunk));
  }
}

TEST_P(Invariance, SmallPagesAreOnePage) {
  const Recording whole = run(options);
  for (const int64_t page : {1, 4, 64}) {
    RecordOptions paged = options;
    paged.page_size = page;
    expect_equal(whole, run(paged), concat("pages of ", page));
  }
}

TEST_P(Invariance, TwoThreadsAreOneThread) {
  const int threads = thread_count();
  const int64_t grain = std::exchange(parallel_grain(), 0);  // these models are too small to wake a second thread
  set_thread_count(1);
  const Recording one = run(options);
  set_thread_count(2);
  const Recording two = run(options);
  set_thread_count(threads);
  parallel_grain() = grain;
  expect_equal(one, two, "two threads");
}

TEST_P(Invariance, DecodeIsPrefillOfTheLongerPrompt) {
  const Recording stepwise = run(options);
  Script longer = script;
  longer.prompt.ids.insert(longer.prompt.ids.end(), script.tokens.begin(), script.tokens.end());
  longer.prompt.types = token_types(longer.prompt.ids, model.config);
  longer.prompt.positions =
      rope_index(longer.prompt.ids, longer.prompt.image_grids, longer.prompt.video_grids, model.config);
  longer.tokens.clear();
  const Recording whole = record(model, cpu_backend(), longer, options);
  const auto prompt = static_cast<int64_t>(script.prompt.ids.size());
  for (const char* point :
       {"logits", "model.language_model.layers.1", "model.language_model.layers.1.self_attn.k_rot"}) {
    const Tensor& all = whole.get(point);
    for (size_t step = 1; step <= script.tokens.size(); ++step) {
      const int64_t row = prompt + static_cast<int64_t>(step) - 1;
      const ConstTensorView expected = slice(all.view, 0, row, row + 1);
      const Tensor& got = stepwise.get(concat("step.", step, '/', point));
      EXPECT_EQ(std::memcmp(expected.data, got.view.data, static_cast<size_t>(got.view.bytes())), 0)
          << point << " step " << step;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Invariance,
                         testing::Combine(testing::Values("moe_a", "dense_b"),
                                          testing::Values(DType::f32, DType::bf16, DType::f64)),
                         [](const auto& info) {
                           return concat(std::get<0>(info.param), '_', name_of(std::get<1>(info.param)));
                         });

/// A prompt that reaches every expert: all word ids of the vocabulary, then a picture.
Script long_script(const Model& model, const std::string& golden) {
  Script s = script_from(model, golden + "/traces/one_image.safetensors");
  std::vector<int64_t> words;
  for (int64_t round = 0; round < 3; ++round) {
    for (int64_t id = 0; id < 80; ++id) words.push_back((id * 37 + round * 11) % 80);
  }
  s.prompt.ids.insert(s.prompt.ids.end(), words.begin(), words.end());
  s.prompt.types = token_types(s.prompt.ids, model.config);
  s.prompt.positions = rope_index(s.prompt.ids, s.prompt.image_grids, s.prompt.video_grids, model.config);
  return s;
}

/// The snapshot with one tensor changed, in a folder of its own.
class Perturbed {
 public:
  explicit Perturbed(const std::string& golden)
      : golden_(golden),
        dir_(fs::path(testing::TempDir()) / ("glmv-perturbed-" + golden.substr(golden.rfind('/') + 1))) {
    fs::create_directories(dir_);
    fs::copy_file(golden + "/config.json", dir_ / "config.json", fs::copy_options::overwrite_existing);
  }
  ~Perturbed() { fs::remove_all(dir_); }

  Model with(const std::string& changed) const {
    const SafetensorsFile file = SafetensorsFile::open(golden_ + "/model.safetensors");
    NamedTensors tensors;
    Tensor spoiled;
    for (const auto& [name, view] : file.tensors()) {
      tensors.emplace_back(name, view);
      if (name != changed) continue;
      Tensor values(DType::f64, view);
      convert(view, values.view);
      for (int64_t i = 0; i < view.size(); ++i) values.data<double>()[i] += i % 2 == 0 ? 0.25 : -0.125;
      spoiled = Tensor(view.dtype, view);
      convert(values.view, spoiled.view);
      tensors.back().second = spoiled.view;
    }
    write_safetensors((dir_ / "model.safetensors").string(), tensors, {});
    return Model::open(dir_.string());
  }

 private:
  std::string golden_;
  fs::path dir_;
};

TEST(Weights, EveryOneOfThemChangesTheLogits) {
  for (const char* name : {"moe_a", "moe_b", "dense_a", "dense_b"}) {
    const std::string golden = kGolden + name;
    const Model model = Model::open(golden);
    const Script script = long_script(model, golden);
    RecordOptions options;
    options.wants = [](std::string_view point) { return point == "logits"; };
    const Recording before = record(model, cpu_backend(), script, options);
    const Perturbed perturbed(golden);
    int64_t tensors = 0;
    Weights nothing;
    std::vector<std::string> names;
    for_each_weight(model.config, nothing, [&](const WeightInfo& info, Weight&) { names.push_back(info.name); });
    for (const std::string& tensor : names) {
      const Recording after = record(perturbed.with(tensor), cpu_backend(), script, options);
      EXPECT_GT(compare_exact(before.get("logits").view, after.get("logits").view).different, 0)
          << name << ' ' << tensor;
      ++tensors;
    }
    std::cout << name << ": " << tensors << " tensors, each changes the logits\n";
  }
}

TEST(Prompt, PlaceholdersAndFeaturesMustAgree) {
  const Model model = Model::open(kGolden + "moe_a");
  Theirs theirs = theirs_from(SafetensorsFile::open(kGolden + "moe_a/traces/one_image.safetensors"));
  Tensor ids(DType::i64, theirs.points.at("input_ids"));
  convert(theirs.points.at("input_ids"), ids.view);
  for (int64_t i = 0; i < ids.view.size(); ++i) {
    if (ids.data<int64_t>()[i] == model.config.image_token_id) {
      ids.data<int64_t>()[i] = 1;  // one placeholder fewer than the picture has features
      break;
    }
  }
  theirs.points["input_ids"] = ids.view;
  try {
    script_of(model, theirs);
    FAIL() << "a missing placeholder went unnoticed";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_input);
    EXPECT_NE(std::string(e.what()).find("placeholder"), std::string::npos) << e.what();
  }
}

TEST(Session, AFullCacheAndAnEmptyPromptAreErrors) {
  const Model model = Model::open(kGolden + "moe_a");
  SessionOptions options;
  options.max_tokens = 2;
  Prompt prompt;
  EXPECT_THROW(Session(model, cpu_backend(), options).prefill(prompt), Error);
  prompt.ids = {1, 2, 3};
  prompt.types = {0, 0, 0};
  prompt.positions = rope_index(prompt.ids, {}, {}, model.config);
  EXPECT_THROW(Session(model, cpu_backend(), options).prefill(prompt), Error);
  options.max_tokens = 3;
  Session session(model, cpu_backend(), options);
  EXPECT_NO_THROW(session.prefill(prompt));
  EXPECT_THROW(session.step(1), Error);
}

}  // namespace
}  // namespace glmv
