// The catalogue: complete entries, a document that says the same, and every mistake named on a model that shows it.
#include "crosscheck/mistakes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "crosscheck/explain_text.h"
#include "crosscheck/report.h"
#include "crosscheck/stages.h"
#include "data/file.h"
#include "tests/random_engine.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;

const std::string kSource = GLMV_SOURCE_DIR;

std::string first_name(const CrosscheckReport& r) {
  return r.within() ? "" : r.points[static_cast<size_t>(r.first)].name;
}

TEST(Catalogue, EntriesAreComplete) {
  std::set<std::string> names;
  int stage = 0;
  for (const Mistake& m : mistakes()) {
    EXPECT_TRUE(names.insert(m.name).second) << m.name << " is there twice";
    EXPECT_NE(m.name.find('='), std::string::npos) << m.name;
    EXPECT_GE(m.stage, stage) << m.name << " is out of order";
    stage = m.stage;
    for (const std::string& text : {m.point, m.description, m.reference, m.source})
      EXPECT_FALSE(text.empty()) << m.name;
    EXPECT_TRUE(m.build || m.positions || m.request || m.processed) << m.name << " changes nothing";
    const bool is_report = m.source.rfind("https://", 0) == 0;
    EXPECT_TRUE(is_report || fs::exists(kSource + '/' + m.source)) << m.name << ": " << m.source;
  }
  EXPECT_GE(mistakes().size(), 40u);
}

TEST(Catalogue, TheDocumentSaysTheSame) {
  const std::string expected = catalogue_document();
  if (read_file(kSource + "/crosscheck/MISTAKES.md") == expected) return;
  const std::string written = GLMV_BINARY_DIR "/MISTAKES.md";
  std::ofstream(written, std::ios::binary) << expected;
  ADD_FAILURE() << "crosscheck/MISTAKES.md is not what the catalogue says: cp " << written << " crosscheck/";
}

/// One entry in five on one model each, in seconds; crosscheck_power has all of them on many. On some models a mistake
/// changes nothing (a rope base that is the other release's already), so that more may have to be drawn.
TEST(Catalogue, MistakesAreNamedOnRandomModels) {
  uint64_t seed = 100, named = 0, equal = 0;
  for (size_t i = 0; i < mistakes().size(); i += 5) {
    const Mistake& m = mistakes()[i];
    Verdict v;
    for (int draw = 0; draw < 8 && !v.visible; ++draw) v = verdict_on(m, ++seed);
    EXPECT_TRUE(v.visible) << m.name << " departs on none of 8 models";
    EXPECT_TRUE(v.named) << m.name << ", seed " << seed << ": " << v.said;
    named += v.named, equal += v.named && !v.alone;
  }
  std::cout << named << " mistakes named, " << equal << " of them beside others that are equal there\n";
}

TEST(Catalogue, ACleanTraceIsNotAccused) {
  for (const uint64_t seed : {1, 2}) {
    for (const Kind kind : {Kind::moe, Kind::dense, Kind::quantised}) {
      const RandomModel random = random_model(seed, kind);
      const CrosscheckReport r = crosscheck(random.model, engine_trace(random.model, random.script, {}), {});
      EXPECT_TRUE(r.within()) << text_report(r, false);
      EXPECT_FALSE(r.tried_mistakes);
    }
  }
}

/// What the report says of an engine with these mistakes, given those that are assumed.
CrosscheckReport report_on(const std::vector<std::string>& made, const std::vector<std::string>& assumed) {
  const RandomModel random = random_model(7, Kind::moe);
  std::vector<const Mistake*> with;
  for (const std::string& name : made) with.push_back(&find_mistake(name));
  CrosscheckOptions options;
  for (const std::string& name : assumed) options.assumed.push_back(&find_mistake(name));
  return crosscheck(random.model, engine_trace(random.model, random.script, with), options);
}

/// Every mistake of positions explains the step's position; only one leaves those of the prompt as they are.
TEST(Explain, ADeltaThatTheTraceLacksIsNamedByTheStep) {
  const RandomModel random = random_model(7, Kind::moe);
  Theirs theirs = engine_trace(random.model, random.script, {&find_mistake("rope_delta=zero")});
  ASSERT_EQ(theirs.points.erase("rope_delta"), 1u);
  const CrosscheckReport r = crosscheck(random.model, theirs, {});
  EXPECT_EQ(r.explained_by, std::vector<std::string>{"rope_delta=zero"}) << text_report(r, false);
}

TEST(Explain, ASecondMistakeIsFoundBeneathTheFirst) {
  const std::vector<std::string> made = {"posembed=bilinear_zeros", "routed_scale=twice"};
  const CrosscheckReport first = report_on(made, {});
  ASSERT_EQ(first.explained_by, std::vector<std::string>{"posembed=bilinear_zeros"}) << text_report(first, false);
  const std::string beneath = "model.language_model.layers.1.mlp.gate.topk_weights";
  EXPECT_EQ(first.explanations.found[0].beneath, beneath);
  EXPECT_NE(text_report(first, false).find("--assume posembed=bilinear_zeros"), std::string::npos);
  const CrosscheckReport second = report_on(made, {"posembed=bilinear_zeros"});
  EXPECT_EQ(first_name(second), beneath);
  EXPECT_EQ(second.explained_by, std::vector<std::string>{"routed_scale=twice"}) << text_report(second, false);
  EXPECT_TRUE(report_on(made, made).within());
}

TEST(Explain, TwoMistakesAtOnePointAreNamedAsAPair) {
  const CrosscheckReport r = report_on({"merger_gelu=tanh", "merger_norm_bias=omitted"}, {});
  EXPECT_EQ(first_name(r), "model.visual.merger");
  EXPECT_GT(r.explanations.pairs, 0);
  ASSERT_FALSE(r.explained_by.empty()) << text_report(r, false);
  EXPECT_TRUE(r.explained_by[0] == "merger_gelu=tanh + merger_norm_bias=omitted" ||
              r.explained_by[0] == "merger_norm_bias=omitted + merger_gelu=tanh")
      << r.explained_by[0];
}

TEST(Explain, AnUnknownMistakeIsExplainedByNothing) {
  const RandomModel random = random_model(8, Kind::moe);
  Theirs theirs = engine_trace(random.model, random.script, {});
  const std::string point = "model.visual.blocks.1.attn.context";
  Tensor spoiled(DType::f32, theirs.points.at(point));
  fill_procedural("spoiled", {1, 0}, spoiled.view);
  theirs.points[point] = spoiled.view;
  const CrosscheckReport r = crosscheck(random.model, theirs, {});
  EXPECT_EQ(first_name(r), point);
  EXPECT_TRUE(r.explained_by.empty()) << text_report(r, false);
  EXPECT_GT(r.explanations.tried, 10);
  EXPECT_GT(r.explanations.pairs, 10);
  EXPECT_EQ(r.explanations.closest.size(), 1u);
}

/// Any small change of ours turns such a departure into noise, and none of them is the reason.
TEST(Explain, ADepartureByAHairIsNoMistake) {
  for (const uint64_t seed : {41, 42, 43}) {
    const RandomModel random = random_model(seed, Kind::moe, 2);
    Theirs theirs = engine_trace(random.model, random.script, {});
    const PlantedError planted = plant_error(random.model, theirs, seed, 1.2);
    const CrosscheckReport r = crosscheck(random.model, theirs, {});
    EXPECT_EQ(first_name(r), planted.point);
    EXPECT_TRUE(r.explained_by.empty()) << text_report(r, false);
  }
}

TEST(Explain, MistakesThatAreEqualHereAreAllNamed) {
  RandomModel random = random_model(9, Kind::moe);
  random.model.config.text.routed_scaling_factor = 2;  // once more is the same as squared
  const Theirs theirs = engine_trace(random.model, random.script, {&find_mistake("shared_expert=scaled")});
  const CrosscheckReport alone = crosscheck(random.model, theirs, {});
  EXPECT_EQ(alone.explained_by, std::vector<std::string>{"shared_expert=scaled"}) << text_report(alone, false);

  // On text alone no axis differs from another: every way to mix them up is the same as none.
  random.script.prompt = random_prompt(random.model.config, 12, 3);
  random.script.tokens.clear();
  EXPECT_TRUE(crosscheck(random.model, engine_trace(random.model, random.script, {&find_mistake("mrope=one_axis")}), {})
                  .within());
  // One picture: with clips seen as text there is no clip that could tell.
  const CrosscheckReport theta = crosscheck(
      random.model, engine_trace(random.model, random.script, {&find_mistake("rope_theta=other_release")}), {});
  EXPECT_EQ(theta.explained_by, std::vector<std::string>{"rope_theta=other_release"}) << text_report(theta, false);
}

/// Logits alone: the mistake may be anywhere before them, and stages that are not seen are tried too.
TEST(Explain, FromTheLogitsAlone) {
  const RandomModel random = random_model(10, Kind::moe);
  Theirs theirs = engine_trace(random.model, random.script, {&find_mistake("posembed=bilinear_border")});
  std::erase_if(theirs.points,
                [](const auto& p) { return stage_of(p.first) > 3 && split_step(p.first).point != "logits"; });
  const CrosscheckReport r = crosscheck(random.model, theirs, {});
  EXPECT_EQ(first_name(r), "logits");
  EXPECT_EQ(r.explained_by, std::vector<std::string>{"posembed=bilinear_border"}) << text_report(r, false);
}

/// One element moved to half of its limit, and to four times it.
TEST(Planted, SingleElementsAreFoundWhereTheyAre) {
  for (const uint64_t seed : {21, 22, 23, 24}) {
    const RandomModel random = random_model(seed, seed % 2 == 0 ? Kind::moe : Kind::dense, 2);
    const Theirs clean = engine_trace(random.model, random.script, {});
    for (const double factor : {0.5, 4.0}) {
      Theirs theirs = clean;
      const PlantedError planted = plant_error(random.model, theirs, seed, factor);
      CrosscheckOptions options;
      options.explain = false;
      const CrosscheckReport r = crosscheck(random.model, theirs, options);
      EXPECT_EQ(first_name(r), factor > 1 ? planted.point : "")
          << seed << ' ' << planted.point << ' ' << planted.element;
    }
  }
}

/// An error of the first of many layers travels through all of them; only the first departure names a place.
TEST(Planted, InheritedErrorIsNotBlamedOnLaterLayers) {
  RandomModel random = random_model(31, Kind::dense, 100);
  random.script.prompt = random_prompt(random.model.config, 6, 31);
  random.script.tokens.clear();
  Theirs theirs = engine_trace(random.model, random.script, {&find_mistake("rope=even_odd")});
  const CrosscheckReport r = crosscheck(random.model, theirs, {});
  EXPECT_EQ(first_name(r), "model.language_model.layers.0.self_attn.q_rot");
  EXPECT_EQ(r.explained_by, std::vector<std::string>{"rope=even_odd"}) << text_report(r, false);
  EXPECT_EQ(r.explanations.found[0].beneath, "") << "99 layers with the first one's error inherited are fine";
  EXPECT_TRUE(crosscheck(random.model, engine_trace(random.model, random.script, {}), {}).within());
}

TEST(Router, AgreementIsCountedPerLayer) {
  const RandomModel random = random_model(11, Kind::moe);
  const auto tokens = static_cast<int64_t>(random.script.prompt.ids.size());
  const CrosscheckReport clean = crosscheck(random.model, engine_trace(random.model, random.script, {}), {});
  ASSERT_EQ(clean.router.size(), 4u);  // two layers, two passes
  EXPECT_EQ(clean.router[0].layer, 1);
  EXPECT_EQ(clean.router[2].step, 1);
  EXPECT_EQ(clean.router[0].agreement.tokens, tokens);
  EXPECT_EQ(clean.router[0].agreement.equal, tokens);
  const CrosscheckReport wrong =
      crosscheck(random.model, engine_trace(random.model, random.script, {&find_mistake("router_bias=omitted")}), {});
  const RouterAgreement& a = wrong.router[0].agreement;
  EXPECT_GT(a.beyond, 0);
  EXPECT_EQ(a.equal + a.flipped + a.beyond, a.tokens);
  EXPECT_GT(a.uncertain, 0);
  EXPECT_NE(text_report(wrong, false).find("within margin"), std::string::npos);
  EXPECT_EQ(text_report(clean, false).find("within margin"), std::string::npos);
  EXPECT_NE(text_report(clean, true).find("within margin"), std::string::npos);
}

}  // namespace
}  // namespace glmv
