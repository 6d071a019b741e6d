// The trained dense twin in every verb that takes a model: what the one with experts is asked, this one is asked too.
#include "crosscheck/crosscheck.h"
#include "crosscheck/report.h"
#include "tests/eval_fixture.h"

namespace glmv {
namespace {

const std::string kDenseTwin = kSource + "/data/tiny/glm41v";

TEST(DenseTwin, TracesOfTheLibraryAreWithinNoise) {
  const Model model = Model::open(kDenseTwin);
  for (const char* trace : {"one_image", "one_image.bf16", "clip"}) {
    const Theirs theirs = theirs_from(SafetensorsFile::open(kDenseTwin + "/traces/" + trace + ".safetensors"));
    CrosscheckOptions options;
    options.dtype = dtype_of_trace(theirs);
    const CrosscheckReport r = crosscheck(model, theirs, options);
    EXPECT_TRUE(r.within()) << text_report(r, false);
    EXPECT_TRUE(r.warnings.empty()) << r.warnings[0];
    EXPECT_GT(r.points.size(), 200u);
  }
}

TEST(DenseTwin, TheOtherFamilysRotaryIsFoundOut) {
  const Model model = Model::open(kDenseTwin);
  const Theirs theirs = theirs_from(SafetensorsFile::open(kDenseTwin + "/traces/one_image.safetensors"));
  CrosscheckOptions options;
  options.mistake = &find_mistake("rope=even_odd");
  const CrosscheckReport r = crosscheck(model, theirs, options);
  ASSERT_FALSE(r.within());
  EXPECT_EQ(r.points[static_cast<size_t>(r.first)].name, "model.language_model.layers.0.self_attn.q_rot");
}

class DenseTwinCli : public EvalCli {};

TEST_F(DenseTwinCli, EvalGivesTheAnswersAndTheScoreOfTheHuggingFaceModel) {
  const Json heldout = Json::parse(read(kDenseTwin + "/heldout/heldout.json"));
  const Result r = glmv("eval --model " + kDenseTwin + " --tasks twin_dense,twin_dense_box -o run");
  ASSERT_EQ(r.code, 0) << r.err;
  std::map<std::string, std::string> text;
  for (const Json& line : lines("run/responses.jsonl"))
    text[line["sample"].get<std::string>()] = line["text"].get<std::string>();
  EXPECT_EQ(text.size(), heldout["prompts"].size());
  double right = 0, ours = 0;
  for (const Json& p : heldout["prompts"]) {
    std::string wanted = p["text"].get<std::string>();
    const std::string end = "</answer>";
    ASSERT_TRUE(wanted.ends_with(end)) << p["id"];
    wanted.resize(wanted.size() - end.size());
    EXPECT_EQ(text[p["id"].get<std::string>()], wanted) << p["id"];
    right += p["right"].get<bool>();
  }
  const Json found = results("run");
  for (const auto& [task, result] : found["results"].items()) {
    ours += result["score,official"].get<double>() / 100 * found["n-samples"][task]["answered"].get<double>();
    EXPECT_NEAR(result["published"]["gap"].get<double>(), 0, 1e-4) << task;
  }
  EXPECT_NEAR(ours, right, 1e-9);
}

// Closing its thinking opens its answer block, as GLM-4.1V writes it.
TEST_F(DenseTwinCli, ThinkingThatReachesTheLimitIsClosedByForce) {
  const Json heldout = Json::parse(read(kDenseTwin + "/heldout/heldout.json"));
  std::string id;
  for (const Json& p : heldout["prompts"])
    if (p["kind"] == "count") id = p["id"].get<std::string>();
  ASSERT_FALSE(id.empty());
  ASSERT_EQ(glmv("eval --model " + kDenseTwin + " --tasks twin_dense --exit-zero -n 2 -o run --ids " + id).code, 0);
  const Json closed = lines("run/responses.jsonl").at(0);
  EXPECT_EQ(closed["forced_completion"], true) << closed;
  EXPECT_NE(closed["text"].get<std::string>().find("</think><answer>"), std::string::npos) << closed;
}

TEST_F(DenseTwinCli, GenerateTraceAndCrosscheckTakeIt) {
  const std::string ask =
      "--model " + kDenseTwin + " --image " + kDenseTwin + "/heldout/objects-000-0.png --prompt 'List the objects.' ";
  const Json j = Json::parse(glmv("generate --json " + ask).out);
  EXPECT_EQ(j["boxed"].size(), 1u);
  EXPECT_EQ(j["thinking"], "");
  EXPECT_EQ(j["finish_reason"], "stop");
  ASSERT_EQ(glmv("trace " + ask + "-o t.safetensors").code, 0);
  EXPECT_EQ(glmv("crosscheck --model " + kDenseTwin + " --against t.safetensors").code, 0);
  expect_error("generate --no-think " + ask, 2, {"--no-think", "GLM-4.1V"});
}

}  // namespace
}  // namespace glmv
