// Traces as strangers write them: what is read as it was meant, what is an error, and what must never pass.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "crosscheck/crosscheck.h"
#include "crosscheck/report.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;

const std::string kMoe = GLMV_SOURCE_DIR "/tests/golden/moe_a";
const std::string kLayer1 = "model.language_model.layers.1";

const Model& moe() {
  static const Model model = Model::open(kMoe);
  return model;
}

/// A golden trace whose tensors may be changed, renamed or taken away before it is written.
class Foreign : public testing::Test {
 protected:
  void SetUp() override { use("one_image"); }
  void TearDown() override { fs::remove(path_); }

  void use(const std::string& trace) {
    const SafetensorsFile file = SafetensorsFile::open(kMoe + "/traces/" + trace + ".safetensors");
    tensors_.clear();
    for (const auto& [name, view] : file.tensors()) {
      tensors_[name] = Tensor(view.dtype, view);
      convert(view, tensors_[name].view);
    }
    metadata_ = file.metadata();
  }

  void keep_only(const std::vector<std::string>& names) {
    std::map<std::string, Tensor> kept;
    for (const std::string& name : names) kept[name] = tensors_.at(name);
    tensors_ = kept;
  }

  void convert_to(const std::string& name, DType dtype) {
    Tensor t(dtype, tensors_.at(name).view);
    convert(tensors_.at(name).view, t.view);
    tensors_[name] = t;
  }

  /// The same elements under other extents.
  void reshape_to(const std::string& name, std::initializer_list<int64_t> dims) {
    const Tensor& old = tensors_.at(name);
    Tensor t(old.view.dtype, dims);
    convert(old.view, reshape(t.view, old.view));
    tensors_[name] = t;
  }

  std::string written() {
    NamedTensors named;
    for (const auto& [name, tensor] : tensors_) named.emplace_back(name, tensor.view);
    write_safetensors(path_, named, metadata_);
    return path_;
  }

  CrosscheckReport check(const std::vector<std::string>& maps = {}, const std::string& only = "") {
    CrosscheckOptions options;
    options.names = NameRules(maps, only);
    const Theirs theirs = theirs_from(SafetensorsFile::open(written()), options.names);
    options.dtype = dtype_of_trace(theirs);
    return crosscheck(moe(), theirs, options);
  }

  void expect_error(const std::vector<std::string>& parts) {
    try {
      check();
      FAIL() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_input) << e.what();
      EXPECT_NE(std::string(e.what()).find(path_), std::string::npos) << e.what();
      for (const std::string& part : parts) EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  }

  int exit_code(const std::string& flags = "") {
    const int status = std::system(concat(GLMV_BINARY_DIR "/glmv crosscheck --model ", kMoe, " --against ", written(),
                                          ' ', flags, " > /dev/null 2>&1")
                                       .c_str());
    return WEXITSTATUS(status);
  }

  static TensorView reshape(const TensorView& v, const ConstTensorView& as) {
    TensorView out = v;
    out.rank = as.rank;
    for (int i = 0; i < as.rank; ++i) out.dim[i] = as.dim[i], out.stride[i] = as.stride[i];
    return out;
  }

  std::map<std::string, Tensor> tensors_;
  std::map<std::string, std::string> metadata_;
  std::string path_ = concat(testing::TempDir(), "glmv-foreign-", ::getpid(), ".safetensors");
};

const PointResult& point_of(const CrosscheckReport& r, const std::string& name) {
  const auto found =
      std::find_if(r.points.begin(), r.points.end(), [&](const PointResult& p) { return p.name == name; });
  if (found == r.points.end()) throw std::runtime_error(name + " was not judged");
  return *found;
}

TEST_F(Foreign, InputsAloneAreNothingCompared) {
  keep_only({"input_ids", "pixel_values", "image_grid_thw"});
  const CrosscheckReport r = check();
  EXPECT_EQ(r.compared(), 0);
  EXPECT_EQ(r.model_points, 77);
  EXPECT_NE(text_report(r, false).find("NOTHING COMPARED"), std::string::npos) << text_report(r, false);
  EXPECT_EQ(exit_code(), 77);
}

TEST_F(Foreign, WhatPreprocessWritesIsNothingComputed) {
  keep_only({"input_ids", "mm_token_type_ids", "position_ids", "rope_delta", "pixel_values", "image_grid_thw"});
  EXPECT_NE(text_report(check(), false).find("NOTHING COMPARED"), std::string::npos);
  EXPECT_EQ(exit_code(), 77);
  tensors_.at("position_ids").data<int64_t>()[5] += 1;
  EXPECT_EQ(exit_code(), 1) << "but wrong is wrong";
}

TEST_F(Foreign, NamesThatWeDoNotKnowAreNothingCompared) {
  tensors_ = {{"input_ids", tensors_["input_ids"]},
              {"pixel_values", tensors_["pixel_values"]},
              {"image_grid_thw", tensors_["image_grid_thw"]},
              {"transformer.h.0.mlp", tensors_[kLayer1 + ".mlp"]}};
  const CrosscheckReport r = check();
  EXPECT_EQ(r.compared(), 0);
  EXPECT_EQ(r.unknown, std::vector<std::string>{"transformer.h.0.mlp"});
  EXPECT_EQ(exit_code(), 77);
  // Rewritten they are judged.
  const std::string map = R"(^transformer\.h\.(\d+)\.=model.language_model.layers.$1.)";
  tensors_["transformer.h.1.mlp"] = tensors_["transformer.h.0.mlp"];
  tensors_.erase("transformer.h.0.mlp");
  EXPECT_TRUE(point_of(check({map}), kLayer1 + ".mlp").within);
  EXPECT_EQ(exit_code("--map '" + map + "'"), 0);
}

TEST_F(Foreign, OnlyTheWantedPointsAreJudged) {
  const CrosscheckReport r = check({}, R"(layers\.1\.mlp)");
  EXPECT_EQ(r.compared(), 6);
  EXPECT_TRUE(r.within());
  const CrosscheckReport none = check({}, "nothing like it");
  EXPECT_EQ(none.compared(), 0);
  EXPECT_GT(none.left_out, 70);
  EXPECT_NE(text_report(none, false).find("that --only leaves out"), std::string::npos);
  EXPECT_EQ(none.warnings.size(), 1u);  // its choices of experts were replayed all the same
}

TEST_F(Foreign, AStepWithoutItsTokenIsAnError) {
  use("greedy");
  ASSERT_GT(tensors_.count("step.1/logits"), 0u);
  tensors_.erase("step.1/input_ids");
  expect_error({"step.1/", "no step.1/input_ids"});
}

TEST_F(Foreign, AFloorMustBeAMeasurement) {
  use("one_image.bf16");
  const std::string floor = "floor/" + kLayer1 + ".mlp";
  EXPECT_GT(point_of(check(), kLayer1 + ".mlp").floor_share, 0);
  Tensor& rows = tensors_.at(floor);
  const float before = rows.data<float>()[3];
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1.F}) {
    rows.data<float>()[3] = bad;
    expect_error({floor, "[3]"});
  }
  rows.data<float>()[3] = before;
  tensors_[floor] = Tensor(DType::f32, {2});
  expect_error({floor, "f32 [2]", "15 rows"});
  tensors_[floor] = Tensor(DType::f32, {15, 1});
  expect_error({floor, "[15,1]"});
}

TEST_F(Foreign, WhereAFloorIsAsLargeAsItsRowNothingIsJudged) {
  use("one_image.bf16");
  const std::string point = kLayer1 + ".mlp";
  tensors_.at("floor/" + point).data<float>()[3] = 1e30F;
  const CrosscheckReport r = check();
  EXPECT_EQ(point_of(r, point).unjudged_rows, 1);
  EXPECT_EQ(r.verdict(), ExitCode::partial);
  EXPECT_NE(text_report(r, false).find("1 rows of it: their floor"), std::string::npos) << text_report(r, false);
}

TEST_F(Foreign, AFloorCountsForItsOwnRowOnly) {
  use("one_image.bf16");
  const std::string point = kLayer1 + ".mlp";
  tensors_.at("floor/" + point).data<float>()[0] = 0.1F;
  Tensor& values = tensors_.at(point);
  const int64_t width = values.view.dim[1];
  for (int64_t i = width; i < 2 * width; ++i) values.data<bf16>()[i] = bf16(0.0F);
  EXPECT_FALSE(point_of(check(), point).within);
}

TEST_F(Foreign, AFloorDoesNotExcuseAToken) {
  use("greedy");
  const int64_t rows = tensors_["logits"].view.dim[0];
  Tensor floor(DType::f32, {rows});
  for (int64_t r = 0; r < rows; ++r) floor.data<float>()[r] = 0.3F;
  tensors_["floor/logits"] = floor;
  tensors_.at("step.1/input_ids").data<int64_t>()[0] += 1;
  EXPECT_FALSE(point_of(check(), "sampled_id").within);
}

TEST_F(Foreign, ExpertsMayComeInAnyOrderWithTheirWeights) {
  const std::string gate = kLayer1 + ".mlp.gate.";
  Tensor &ids = tensors_.at(gate + "topk_ids"), &weights = tensors_.at(gate + "topk_weights");
  const int64_t k = ids.view.dim[1];
  std::reverse(ids.data<int64_t>(), ids.data<int64_t>() + k);
  EXPECT_FALSE(point_of(check(), gate + "topk_weights").within);  // each expert has another's weight
  std::reverse(weights.data<float>(), weights.data<float>() + k);
  const CrosscheckReport r = check();
  EXPECT_TRUE(r.within()) << text_report(r, false);
  ASSERT_EQ(r.notes.size(), 1u);
  EXPECT_NE(r.notes[0].find("ascending order"), std::string::npos);
}

TEST_F(Foreign, TheTypeIsReadFromTheTensorsIfTheMetadataDoNotSay) {
  use("one_image.bf16");
  metadata_.erase("dtype");
  const CrosscheckReport r = check();
  EXPECT_EQ(r.dtype, DType::bf16);
  EXPECT_TRUE(r.within()) << text_report(r, false);
  metadata_["dtype"] = "torch.bfloat16";
  EXPECT_EQ(check().dtype, DType::bf16);
  metadata_["dtype"] = "float16";
  expect_error({"float16", "f32, bf16 and f64"});
  metadata_.erase("dtype");
  convert_to("logits", DType::f16);
  expect_error({"logits", "f16"});
}

TEST_F(Foreign, WhatIsStoredCoarserIsJudgedInItsOwnUlps) {
  convert_to(kLayer1, DType::bf16);
  metadata_["dtype"] = "f32";
  EXPECT_TRUE(point_of(check(), kLayer1).within);
}

TEST_F(Foreign, NaturalLayoutsAreRead) {
  const int64_t tokens = tensors_["input_ids"].view.dim[0];
  const std::vector<std::string> ids = {"input_ids", "mm_token_type_ids", "image_grid_thw", "position_ids"};
  for (const std::string& name : ids) convert_to(name, DType::i32);
  reshape_to("input_ids", {1, tokens});
  reshape_to("position_ids", {3, 1, tokens});
  const ConstTensorView layer = tensors_[kLayer1].view, q = tensors_[kLayer1 + ".self_attn.q"].view;
  reshape_to(kLayer1, {1, layer.dim[0], layer.dim[1]});
  reshape_to(kLayer1 + ".self_attn.q", {1, tokens, q.dim[1] * q.dim[2]});
  Tensor last(DType::f32, {1, tensors_["logits"].view.dim[1]});
  convert(slice(tensors_["logits"].view, 0, tokens - 1, tokens), last.view);
  tensors_["logits"] = last;
  const CrosscheckReport r = check();
  EXPECT_TRUE(r.within()) << text_report(r, true);
  EXPECT_EQ(r.compared(), 77);
  EXPECT_EQ(point_of(r, "logits").layout, "only the last token's row");
  EXPECT_EQ(point_of(r, "logits").theirs.elements, last.view.size());
  EXPECT_EQ(point_of(r, kLayer1 + ".self_attn.q").layout, "heads of a row lie side by side");
  ASSERT_EQ(r.notes.size(), 2u);
  EXPECT_NE(r.notes[0].find("batch axis of 1 was dropped: 3 tensors"), std::string::npos) << r.notes[0];
  EXPECT_NE(r.notes[1].find("widened to i64: 4 tensors"), std::string::npos) << r.notes[1];
  // And a wrong last row is not forgiven.
  tensors_["logits"].data<float>()[7] += 0.01F;
  EXPECT_FALSE(point_of(check(), "logits").within);
}

TEST_F(Foreign, LogitsOfOneTokenNeedNoAxisOfTokens) {
  const ConstTensorView all = tensors_["logits"].view;
  Tensor last(DType::f32, {all.dim[1]});
  convert(slice(all, 0, all.dim[0] - 1, all.dim[0]), make_view(last.view.data, DType::f32, {1, all.dim[1]}));
  tensors_["logits"] = last;
  EXPECT_EQ(point_of(check(), "logits").layout, "only the last token's row");
  EXPECT_TRUE(check().within());
  last.data<float>()[7] += 0.01F;
  EXPECT_FALSE(check().within());
}

TEST_F(Foreign, ABatchAxisOfPositionsMayStandInFront) {
  const int64_t tokens = tensors_["input_ids"].view.dim[0];
  reshape_to("position_ids", {1, 3, tokens});
  EXPECT_TRUE(check().within());
}

TEST_F(Foreign, AMapThatFindsNothingIsSaid) {
  const std::string text = text_report(check({"^nothing$=logits", "^logits$=logits"}), false);
  EXPECT_NE(text.find("WARNING   --map ^nothing$=logits finds no name"), std::string::npos) << text;
  EXPECT_EQ(text.find("--map ^logits$"), std::string::npos) << text;
}

TEST_F(Foreign, OneTensorOfBf16DoesNotMakeItATraceOfBf16) {
  metadata_.erase("dtype");
  convert_to("inputs_embeds", DType::bf16);
  const CrosscheckReport r = check();
  EXPECT_EQ(r.dtype, DType::f32);
  EXPECT_NE(text_report(r, false).find("1 points of the trace are stored as bf16"), std::string::npos);
}

TEST_F(Foreign, AFloorDoesNotExcuseAChoiceOfExperts) {
  const std::string gate = kLayer1 + ".mlp.gate.";
  Tensor &logits = tensors_.at(gate + "logits"), &ids = tensors_.at(gate + "topk_ids");
  const int64_t rows = ids.view.dim[0], k = ids.view.dim[1], experts = logits.view.dim[1];
  // Every token takes the first experts, with logits to match and a floor that lets them pass.
  Tensor floor(DType::f32, {rows});
  for (int64_t r = 0; r < rows; ++r) {
    float* row = logits.data<float>() + r * experts;
    double squares = 0;
    for (int64_t e = 0; e < experts; ++e) squares += row[e] * row[e];
    floor.data<float>()[r] = static_cast<float>(0.99 * std::sqrt(squares / static_cast<double>(experts)));
    for (int64_t e = 0; e < experts; ++e) row[e] += (e < k ? 1.9F : -1.9F) * floor.data<float>()[r];
    for (int64_t e = 0; e < k; ++e) ids.data<int64_t>()[r * k + e] = e;
  }
  tensors_["floor/" + gate + "logits"] = floor;
  EXPECT_FALSE(point_of(check(), gate + "topk_ids").within);
}

TEST_F(Foreign, TwoFloorsOfOnePointAreAnError) {
  const int64_t rows = tensors_["logits"].view.dim[0];
  tensors_["floor/a"] = tensors_["floor/b"] = Tensor(DType::f32, {rows});
  EXPECT_THROW(check({"^floor/[ab]$=floor/logits"}), Error);
}

TEST_F(Foreign, ValuesOfBf16WithoutATypeAreNoticed) {
  use("one_image.bf16");
  for (auto& [name, tensor] : tensors_) {
    if (is_float(tensor.view.dtype)) convert_to(name, DType::f32);
  }
  metadata_.erase("dtype");
  EXPECT_NE(text_report(check(), false).find("say --dtype bf16"), std::string::npos);
  metadata_["dtype"] = "bf16";
  EXPECT_TRUE(check().warnings.empty());
}

TEST_F(Foreign, WithoutAPromptItSaysWhatIsThere) {
  keep_only({kLayer1});
  expect_error({"no input_ids", "1 tensors, the first is " + kLayer1});
}

TEST_F(Foreign, RecordedInputsAreReadTheSameWay) {
  use("text");
  const int64_t tokens = tensors_["input_ids"].view.dim[0];
  convert_to("input_ids", DType::i32);
  reshape_to("input_ids", {1, tokens});
  tensors_ = {{"tokens", tensors_["input_ids"]}};
  const auto generate = [&](const std::string& flags) {
    return WEXITSTATUS(std::system(
        concat(GLMV_BINARY_DIR "/glmv generate -n 1 --model ", kMoe, ' ', flags, " > /dev/null 2>&1").c_str()));
  };
  EXPECT_EQ(generate("--inputs " + written()), 3);
  EXPECT_EQ(generate("--map '^tokens$=input_ids' --inputs " + written()), 0);
  EXPECT_EQ(generate("--map a=b --prompt hi"), 2) << "nothing to rename";
}

TEST_F(Foreign, AFloorOfNoPointIsNamed) {
  tensors_["floor/zzz"] = Tensor(DType::f32, {3});
  EXPECT_NE(text_report(check(), false).find("the first is floor/zzz"), std::string::npos);
}

TEST_F(Foreign, AScalarIsReadAsOneElement) {
  reshape_to("rope_delta", {});
  const CrosscheckReport r = check();
  EXPECT_TRUE(r.within());
  EXPECT_EQ(r.notes, std::vector<std::string>{"a scalar was read as one element: rope_delta"});
}

TEST_F(Foreign, ExpertsMayBeStoredAsFloats) {
  const std::string ids = kLayer1 + ".mlp.gate.topk_ids";
  convert_to(ids, DType::f32);
  const CrosscheckReport r = check();
  EXPECT_TRUE(r.within());
  EXPECT_EQ(r.notes, std::vector<std::string>{"whole numbers stored as floats were read as integers: " + ids});
  tensors_.at(ids).data<float>()[1] += 0.5F;
  EXPECT_NE(point_of(check(), ids).detail.find("f32 [15,"), std::string::npos) << point_of(check(), ids).detail;
}

TEST_F(Foreign, ALayerOfIntegersIsTold) {
  for (const DType type : {DType::i64, DType::u8}) {
    use("one_image");
    convert_to(kLayer1, type);
    const PointResult p = point_of(check(), kLayer1);
    EXPECT_FALSE(p.within);
    EXPECT_NE(p.detail.find(concat("; ", name_of(type), " is no type of floats")), std::string::npos) << p.detail;
  }
}

TEST_F(Foreign, AnotherShapeIsNotTakenForAnErrorOfNumbers) {
  const ConstTensorView layer = tensors_[kLayer1].view;
  reshape_to(kLayer1, {layer.dim[1], layer.dim[0]});
  const CrosscheckReport r = check();
  const PointResult& p = r.points[static_cast<size_t>(r.first)];
  EXPECT_EQ(p.name, kLayer1);
  EXPECT_EQ(p.kind, PointKind::misshapen);
  EXPECT_NE(p.detail.find("transposed?"), std::string::npos) << p.detail;
  EXPECT_FALSE(r.tried_mistakes);
  EXPECT_EQ(text_report(r, false).find("catalogue"), std::string::npos);
  EXPECT_EQ(exit_code(), 1);
}

TEST_F(Foreign, AChoiceOfExpertsIsJudgedWithoutTheirLogits) {
  const std::string gate = kLayer1 + ".mlp.gate.";
  tensors_.erase(gate + "logits");
  EXPECT_TRUE(check().within());
  Tensor& ids = tensors_.at(gate + "topk_ids");
  int64_t* row = ids.data<int64_t>();
  const int64_t experts = moe().config.text.num_experts, k = ids.view.dim[1];
  for (int64_t e = 0; e < k; ++e) row[e] = (row[e] + 1) % experts;
  std::sort(row, row + k);
  const CrosscheckReport r = check();
  ASSERT_FALSE(r.within());
  EXPECT_EQ(r.points[static_cast<size_t>(r.first)].name, gate + "topk_ids");
}

TEST_F(Foreign, WhatTheTraceLacksBeforeADepartureIsSaid) {
  const std::string planted = kLayer1 + ".mlp";
  for (const char* inner : {".experts", ".shared_experts"}) tensors_.erase(planted + inner);
  tensors_.at(planted).data<float>()[5] += 1;
  const CrosscheckReport r = check();
  EXPECT_EQ(r.points[static_cast<size_t>(r.first)].name, planted);
  EXPECT_EQ(r.not_seen, (std::vector<std::string>{planted + ".experts", planted + ".shared_experts"}));
  EXPECT_NE(text_report(r, false).find("2 points just before it are not in the trace"), std::string::npos);
}

TEST_F(Foreign, OtherWeightsAreSaidFirst) {
  metadata_["model_sha256"] = std::string(64, 'a');
  const std::string text = text_report(check(), false);
  EXPECT_LT(text.find("WARNING   the trace was made with other weights"), text.find("stage"));
}

TEST_F(Foreign, EndlessNamesDoNoHarm) {
  const std::string deep(1'000'000, '.');
  const std::string names[] = {deep, "step.1" + std::string(300'000, '1') + "/logits", kLayer1 + '.' + deep,
                               "step.0/" + deep};
  const size_t known = check().points.size();
  for (const std::string& name : names) tensors_[name] = tensors_["logits"];
  const CrosscheckReport r = check();
  EXPECT_EQ(r.points.size(), known);
  EXPECT_EQ(r.unknown.size(), 4u);
}

}  // namespace
}  // namespace glmv
