// Isolation: an error is blamed on the place that made it, and on no place that was only fed with it.
#include "crosscheck/isolate.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "crosscheck/crosscheck.h"
#include "crosscheck/isolate_text.h"
#include "crosscheck/report.h"
#include "crosscheck/stages.h"
#include "crosscheck/weight_pages.h"
#include "reference/core/rows.h"
#include "reference/core/splitmix.h"
#include "reference/linear.h"
#include "reference/model/procedural_weights.h"
#include "reference/moe_route.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;

const std::string kGolden = GLMV_SOURCE_DIR "/tests/golden/";

const Model& model_of(const std::string& name) {
  static std::map<std::string, Model> open;
  const auto found = open.find(name);
  return found != open.end() ? found->second : open.emplace(name, Model::open(kGolden + name)).first->second;
}

std::string trace_path(const std::string& model, const std::string& trace) {
  return kGolden + model + "/traces/" + trace + ".safetensors";
}

CrosscheckReport isolated(const Model& model, const Theirs& theirs) {
  CrosscheckOptions options;
  options.dtype = dtype_of_trace(theirs);
  options.explain = false;
  options.isolate = true;
  return crosscheck(model, theirs, options);
}

/// What an engine on this backend makes of a script, all points.
Theirs engine(const Model& model, const Backend& backend, Script script) {
  script.forced.clear();
  return theirs_from(record(model, backend, script, {}), "engine");
}

/// What an engine that makes a known mistake makes of a script, all points.
Theirs engine_with(const Model& model, const std::string& mistake, Script script, const std::string& label) {
  const Mistake& m = find_mistake(mistake);
  Mutant wrong(model);
  if (m.build != nullptr) m.build(wrong);
  if (m.positions != nullptr) m.positions(script.prompt, model.config);
  script.forced.clear();
  return theirs_from(record(wrong.model, wrong.backend, script, {}), label);
}

Script script_of_trace(const std::string& model, const std::string& trace) {
  return script_of(model_of(model), theirs_from(SafetensorsFile::open(trace_path(model, trace))));
}

TEST(Isolate, NothingIsMadeInHuggingFaceTraces) {
  int64_t traces = 0, points = 0;
  for (const char* model : {"moe_a", "moe_b", "moe_c", "dense_a", "dense_b"}) {
    for (const fs::directory_entry& entry : fs::directory_iterator(kGolden + model + "/traces")) {
      const CrosscheckReport r = isolated(model_of(model), theirs_from(SafetensorsFile::open(entry.path().string())));
      ASSERT_TRUE(r.isolation);
      EXPECT_EQ(r.isolation->made(), 0) << entry.path() << text_report(r, false);
      EXPECT_EQ(r.verdict(), ExitCode::ok);
      ++traces;
      points += static_cast<int64_t>(r.isolation->points.size());
    }
  }
  EXPECT_EQ(traces, 66);
  EXPECT_GT(points, 3000);
  std::cout << traces << " traces, " << points << " points isolated\n";
}

TEST(Isolate, BlamesAMistakeOnItsPointInEveryLayerAndOnNoOther) {
  // The mistake, and all points in which it may be made.
  const std::pair<const char*, const char*> cases[] = {
      {"routed_scale=twice", R"(.*\.mlp\.gate\.topk_weights)"},
      {"rope=even_odd", R"(.*\.self_attn\.[qk]_rot)"},
      {"posembed=bilinear_zeros", R"(model\.visual\.embeddings)"},
      {"merger_gelu=tanh", R"(model\.visual\.merger)"},
      {"kv_heads=interleaved", R"(.*\.self_attn\.context)"},
      {"mrope=one_axis", R"(model\.language_model\.rotary\.(cos|sin))"},
  };
  for (const auto& [mistake, where] : cases) {
    const Model& model = model_of("moe_a");
    const Theirs theirs = engine_with(model, mistake, script_of_trace("moe_a", "greedy"), "engine");
    const CrosscheckReport r = isolated(model, theirs);
    ASSERT_FALSE(r.within()) << mistake;
    const std::vector<std::string> made = births(r);
    EXPECT_FALSE(made.empty()) << mistake;
    for (const std::string& name : made)
      EXPECT_TRUE(std::regex_match(split_step(name).point, std::regex(where))) << mistake << " blamed on " << name;
    EXPECT_EQ(made.front(), r.points[static_cast<size_t>(r.first)].name) << mistake;
    EXPECT_GT(r.isolation->count(Born::inherited), 20) << mistake << text_report(r, true);
  }
}

// An engine whose n-th matrix product has one wrong element.
int64_t products_until_error = -1;
double wrong_by = 0;

void linear_with_an_error(const LinearArgs& a, Exec exec) {
  ref::linear(a, exec);
  if (products_until_error-- != 0) return;
  auto* row = static_cast<float*>(a.out.data);  // the engine computes in f32
  row[0] += static_cast<float>(wrong_by);
}

Backend engine_with_an_error(int64_t at, double by) {
  products_until_error = at;
  wrong_by = by;
  Backend backend = cpu_backend();
  backend.ops.linear.run = linear_with_an_error;
  return backend;
}

TEST(Isolate, BlamesOneWrongElementOnOnePoint) {
  SplitMix64 random(7);
  int64_t found = 0;
  for (const std::string model : {"moe_a", "dense_b"}) {
    const Script script = script_of_trace(model, "one_image");
    for (int i = 0; i < 8; ++i) {
      const auto at = static_cast<int64_t>(random.next() % 20);
      const CrosscheckReport r =
          isolated(model_of(model), engine(model_of(model), engine_with_an_error(at, 0.01), script));
      EXPECT_EQ(births(r).size(), 1u) << model << " product " << at << text_report(r, true);
      if (!r.within() && !births(r).empty()) {
        EXPECT_EQ(births(r)[0], r.points[static_cast<size_t>(r.first)].name) << model << " product " << at;
        ++found;
      }
    }
  }
  EXPECT_GT(found, 8);
}

/// A decoder of that many layers, weights by rule.
Model deep_model(int64_t layers) {
  Model model;
  model.config = model_of("moe_a").config;
  model.config.text.num_layers = layers;
  model.weights = procedural_weights(model.config, [](const std::string&) { return true; });
  return model;
}

TEST(Isolate, AnErrorInheritedThroughAHundredLayersIsBlamedOnOne) {
  const Model model = deep_model(100);
  Script script;
  script.prompt = random_prompt(model.config, 6, 3);
  constexpr int64_t kSeventhProduct = 7 + 4;  // q, k, v, o, gate, up, down of layer 0, then v's successor o of layer 1
  const Theirs theirs = engine(model, engine_with_an_error(kSeventhProduct, 0.5), script);
  const CrosscheckReport r = isolated(model, theirs);
  ASSERT_FALSE(r.within());
  ASSERT_EQ(births(r).size(), 1u) << text_report(r, false);
  EXPECT_EQ(split_layer(births(r)[0]).layer, 1) << births(r)[0];
  int64_t layers_that_inherit = 0;
  for (const auto& [name, point] : r.isolation->points) {
    layers_that_inherit +=
        split_layer(name).layer >= 0 && split_layer(name).inner.empty() && point.born == Born::inherited;
  }
  EXPECT_EQ(layers_that_inherit, 99);
  EXPECT_NE(text_report(r, false).find("inherited (isolated: noise"), std::string::npos) << text_report(r, false);
}

TEST(Isolate, IsAsFineAsTheTrace) {
  const Model& model = model_of("moe_a");
  Theirs theirs = engine(model, engine_with_an_error(1, 0.5), script_of_trace("moe_a", "one_image"));
  std::map<std::string, ConstTensorView> few;
  for (const auto& [name, view] : theirs.points) {
    const LayerPoint at = split_layer(name);
    if (stage_of(name) <= 3 || (at.layer >= 0 && at.inner.empty())) few.emplace(name, view);
  }
  theirs.points = few;
  const CrosscheckReport r = isolated(model, theirs);
  ASSERT_EQ(births(r).size(), 1u) << text_report(r, true);
  const IsolatedPoint& first = r.isolation->points.at(births(r)[0]);
  EXPECT_EQ(first.result.name, "model.visual.blocks.0");
  EXPECT_EQ(first.born, Born::no_input);
  EXPECT_NE(text_report(r, false).find("may have been made anywhere before"), std::string::npos);
  // The first decoder layer is computed from the last block of the tower, through all that lies between.
  const IsolatedPoint* layer = r.isolation->find("model.language_model.layers.0");
  ASSERT_NE(layer, nullptr);
  EXPECT_EQ(layer->born, Born::inherited);
  EXPECT_EQ(layer->upstream.from.front(), "input_ids");
  EXPECT_EQ(std::count(layer->upstream.absent.begin(), layer->upstream.absent.end(), "model.visual.merger"), 1);
}

TEST(Isolate, NumbersThatAreNoneAreBlamedOnTheirMaker) {
  const Model& model = model_of("moe_a");
  const std::string made = "model.language_model.layers.0.self_attn";
  Theirs theirs = engine(model, cpu_backend(), script_of_trace("moe_a", "text"));
  theirs.recording.get(made).data<float>()[5] = std::numeric_limits<float>::quiet_NaN();
  const CrosscheckReport r = isolated(model, theirs);
  ASSERT_EQ(births(r).size(), 1u) << text_report(r, true);
  EXPECT_EQ(births(r)[0], made);
}

TEST(Isolate, ChoicesThatFollowWrongLogitsAreInherited) {
  // Router logits that are wrong, with choice and weights that follow from them.
  const Model& model = model_of("moe_a");
  Backend backend = cpu_backend();
  backend.ops.moe_route.run = [](const MoeRouteArgs& a, Exec exec) {
    Tensor negated(DType::f32, a.x);
    convert(a.x, negated.view);
    for (int64_t i = 0; i < negated.view.size(); ++i) negated.data<float>()[i] *= -1;
    MoeRouteArgs wrong = a;
    wrong.x = negated.view;
    ref::moe_route(wrong, exec);
  };
  const CrosscheckReport r = isolated(model, engine(model, backend, script_of_trace("moe_a", "text")));
  for (const std::string& name : births(r)) EXPECT_TRUE(name.ends_with(".mlp.gate.logits")) << name;
  EXPECT_EQ(r.isolation->count(Born::here), 2) << text_report(r, true);
}

TEST(WeightPages, GiveBackWhatAFileHoldsAndNothingElse) {
  const Model& model = model_of("moe_a");
  const WeightPages pages(model);
  int64_t sum = 0;
  for (const Segment& segment : segments_of(model.config, true)) {
    pages.release(segment);
    sum += pages.bytes(segment);
  }
  // Everything is read again from the file, and what is not in it was left alone.
  const Model fresh = Model::open(kGolden + "moe_a");
  EXPECT_EQ(compare_exact(fresh.weights.vision.downsample.data, model.weights.vision.downsample.data).different, 0);
  EXPECT_EQ(compare_exact(fresh.weights.layers[1].q.data, model.weights.layers[1].q.data).different, 0);
  EXPECT_LE(sum, model.checkpoint.data_bytes());
  EXPECT_GT(sum, model.checkpoint.data_bytes() * 9 / 10);
  // A tensor of our own memory keeps its values.
  Model own = deep_model(1);
  const ConstTensorView& q = own.weights.layers[0].q.data;
  const Tensor before = to_host(cpu_backend(), q);
  WeightPages(own).release({Segment::Kind::layer, 0});
  EXPECT_EQ(compare_exact(before.view, q).different, 0);
}

}  // namespace
}  // namespace glmv
