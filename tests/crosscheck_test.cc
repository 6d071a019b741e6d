// The cross-check against the committed Hugging Face traces, and against everything it must not let through.
#include "crosscheck/crosscheck.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "crosscheck/report.h"
#include "crosscheck/stages.h"
#include "reference/fused.h"
#include "reference/kv_write.h"
#include "reference/mrope.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;

const std::string kGolden = GLMV_SOURCE_DIR "/tests/golden/";

const Model& model_of(const std::string& name) {
  static std::map<std::string, Model> open;
  const auto found = open.find(name);
  return found != open.end() ? found->second : open.emplace(name, Model::open(kGolden + name)).first->second;
}

CrosscheckReport check_trace(const std::string& model, const std::string& trace, const std::string& mistake = "") {
  const Theirs theirs = theirs_from(SafetensorsFile::open(kGolden + model + "/traces/" + trace + ".safetensors"));
  CrosscheckOptions options;
  options.dtype = dtype_of_trace(theirs);
  options.explain = false;
  options.mistake = mistake.empty() ? nullptr : &find_mistake(mistake);
  return crosscheck(model_of(model), theirs, options);
}

std::string first_name(const CrosscheckReport& r) {
  return r.within() ? "" : split_step(r.points[static_cast<size_t>(r.first)].name).point;
}

TEST(Crosscheck, EveryCommittedTraceIsWithinNoise) {
  int64_t traces = 0, points = 0, flips = 0;
  for (const char* model : {"moe_a", "moe_b", "moe_c", "dense_a", "dense_b"}) {
    for (const fs::directory_entry& entry : fs::directory_iterator(kGolden + model + "/traces")) {
      const CrosscheckReport r = check_trace(model, entry.path().stem().string());
      EXPECT_TRUE(r.within()) << text_report(r, false);
      EXPECT_TRUE(r.unknown.empty()) << model << ' ' << entry.path() << ' ' << r.unknown[0];
      EXPECT_TRUE(r.warnings.empty()) << r.warnings[0];
      ++traces;
      points += static_cast<int64_t>(r.points.size());
      flips += r.flips();
    }
  }
  EXPECT_EQ(traces, 66);
  EXPECT_GT(points, 3000);
  std::cout << traces << " traces, " << points << " points within noise, " << flips << " legal router flips\n";
}

TEST(Crosscheck, TheTrainedTwinIsWithinNoise) {
  const std::string twin = GLMV_SOURCE_DIR "/data/tiny/glm45v";
  const Model model = Model::open(twin);
  for (const char* trace : {"one_image", "one_image.bf16"}) {
    const Theirs theirs = theirs_from(SafetensorsFile::open(twin + "/traces/" + trace + ".safetensors"));
    CrosscheckOptions options;
    options.dtype = dtype_of_trace(theirs);
    const CrosscheckReport r = crosscheck(model, theirs, options);
    EXPECT_TRUE(r.within()) << text_report(r, false);
    EXPECT_TRUE(r.warnings.empty()) << r.warnings[0];
    EXPECT_GT(r.points.size(), 200u);
  }
}

TEST(Crosscheck, AskedForMistakesDepartAtTheirPoint) {
  // The four of the specification, at the exact point.
  EXPECT_EQ(first_name(check_trace("moe_a", "one_image", "rope=even_odd")),
            "model.language_model.layers.0.self_attn.q_rot");
  EXPECT_EQ(first_name(check_trace("dense_b", "one_image", "rope=even_odd")),
            "model.language_model.layers.0.self_attn.q_rot");
  EXPECT_EQ(first_name(check_trace("moe_a", "two_images", "posembed=bilinear_zeros")), "model.visual.embeddings");
  EXPECT_EQ(first_name(check_trace("moe_a", "two_images", "router_bias=in_weights")),
            "model.language_model.layers.1.mlp.gate.topk_weights");
  EXPECT_EQ(first_name(check_trace("moe_a", "two_images", "routed_scale=twice")),
            "model.language_model.layers.1.mlp.gate.topk_weights");
}

/// Hugging Face's own trace, the mistake on our side. mistakes_test has every entry, on random models.
TEST(Crosscheck, MistakesDepartFromHuggingFaceNotBeforeTheirStage) {
  for (const char* name :
       {"positions=text_only", "patch_bias=omitted", "post_conv_norm=omitted", "posembed=nearest",
        "posembed=bicubic_zeros", "vision_qkv=fp8", "vision_attention=across_frames", "downsample=transposed",
        "merger_norm=rms", "splice=shifted", "qkv_bias=omitted", "text_eps=1e-6", "residual=lost", "kv_cache=fp8",
        "router_groups=off", "experts=unweighted", "shared_expert=omitted", "final_norm=omitted", "lm_head=tied"}) {
    const Mistake& m = find_mistake(name);
    const CrosscheckReport r = check_trace("moe_a", m.stage == 3 ? "two_images" : "video", name);
    ASSERT_FALSE(r.within()) << name;
    // Later if the trace lacks the stage's points, never before.
    EXPECT_GE(r.points[static_cast<size_t>(r.first)].stage, m.stage) << name << ' ' << first_name(r);
  }
}

TEST(Crosscheck, RoundingTheCorrectionBiasIsCaughtInF32) {
  const CrosscheckReport r = check_trace("moe_c", "video", "router_bias=bf16");
  EXPECT_NE(first_name(r).find("mlp.gate.topk_ids"), std::string::npos) << text_report(r, true);
}

/// A fused op that forgets to turn the keys.
void keys_unturned(const FusedRopeKvWriteArgs& a, Exec exec) {
  ref::mrope({a.q, a.cos, a.sin, a.pairing, a.rounding, a.q}, exec);
  ref::kv_write({a.k, a.v, a.slots, a.k_pages, a.v_pages}, exec);
}

TEST(Crosscheck, FusedOpsAreTakenWhereAskedFor) {
  const Model& model = model_of("moe_a");
  Script script = script_of(model, theirs_from(SafetensorsFile::open(kGolden + "moe_a/traces/greedy.safetensors")));
  script.forced.clear();
  Backend backend = cpu_backend();
  backend.ops.fused_rope_kv_write.run = keys_unturned;
  RecordOptions how;
  const auto judged = [&] { return crosscheck(model, theirs_from(record(model, backend, script, how), "engine"), {}); };

  const CrosscheckReport plain = judged();
  EXPECT_TRUE(plain.within()) << text_report(plain, false);
  how.fused = true;
  const CrosscheckReport fused = judged();
  EXPECT_EQ(first_name(fused), "model.language_model.layers.0.self_attn.context") << text_report(fused, false);
  // One point of each layer and pass lies inside.
  const auto passes = static_cast<int64_t>(script.tokens.size()) + 1;
  EXPECT_EQ(plain.compared() - fused.compared(), passes * model.config.text.num_layers);
  backend.ops.fused_rope_kv_write.run = ref::fused_rope_kv_write;
  EXPECT_TRUE(judged().within());
}

TEST(Crosscheck, APlantedErrorIsFoundWhereItIs) {
  const std::string point = "model.language_model.layers.1.mlp.experts";
  const SafetensorsFile file = SafetensorsFile::open(kGolden + "moe_a/traces/one_image.safetensors");
  const CrosscheckReport clean = check_trace("moe_a", "one_image");
  for (const double factor : {1.01, 100.0}) {
    Theirs theirs = theirs_from(file);
    Tensor spoiled(DType::f32, theirs.points.at(point));
    convert(theirs.points.at(point), spoiled.view);
    const auto before =
        std::find_if(clean.points.begin(), clean.points.end(), [&](const PointResult& p) { return p.name == point; });
    spoiled.data<float>()[before->theirs.worst] = static_cast<float>(
        before->theirs.gold + factor * before->theirs.allowed * (before->theirs.got > before->theirs.gold ? 1 : -1));
    theirs.points[point] = spoiled.view;
    CrosscheckOptions options;
    options.explain = false;
    const CrosscheckReport r = crosscheck(model_of("moe_a"), theirs, options);
    EXPECT_EQ(first_name(r), point);
    EXPECT_EQ(std::count_if(r.points.begin(), r.points.end(), [](const PointResult& p) { return !p.within; }), 1);
  }
}

TEST(Crosscheck, ANanAWrongShapeAndAnIllegalExpertDepart) {
  const SafetensorsFile file = SafetensorsFile::open(kGolden + "moe_a/traces/one_image.safetensors");
  CrosscheckOptions options;
  options.explain = false;
  const auto first_with = [&](const std::string& point, const Tensor& value) {
    Theirs theirs = theirs_from(file);
    theirs.points[point] = value.view;
    return first_name(crosscheck(model_of("moe_a"), theirs, options));
  };
  const std::string logits = "logits", ids = "model.language_model.layers.1.mlp.gate.topk_ids";
  Tensor nan(DType::f32, file.get(logits));
  convert(file.get(logits), nan.view);
  nan.data<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(first_with(logits, nan), logits);
  EXPECT_EQ(first_with(logits, Tensor(DType::f32, {1, 2})), logits);
  EXPECT_EQ(first_with(ids, Tensor(DType::i64, file.get(ids))), ids);  // expert 0 three times
}

TEST(Crosscheck, JsonHasWhatTheTextHas) {
  const CrosscheckReport r = check_trace("moe_a", "one_image", "rope=even_odd");
  const std::string json = json_report(r);
  EXPECT_NE(json.find("\"schema\": \"glmv.crosscheck/1\""), std::string::npos);
  EXPECT_NE(json.find("\"first_departure\": {"), std::string::npos);
  EXPECT_NE(json.find("self_attn.q_rot"), std::string::npos);
  EXPECT_EQ(json.find("nan"), std::string::npos);
}

TEST(Stages, NamesAndSteps) {
  EXPECT_EQ(stage_of("step.12/model.language_model.layers.3.self_attn.q_rot"), 9);
  EXPECT_EQ(stage_of("model.visual.blocks.0"), 6);
  EXPECT_EQ(stage_of("something"), -1);
  EXPECT_EQ(split_step("step.12/logits").step, 12);
  EXPECT_EQ(split_step("step.x/logits").step, 0);
  EXPECT_EQ(join_step(3, "logits"), "step.3/logits");
}

}  // namespace
}  // namespace glmv
