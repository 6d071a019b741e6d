// Prompts as one toolkit builds them, character by character: recorded snapshots of those of its tasks that are ours.
// They are not kept here: GLMV_PROMPT_SNAPSHOTS names their folder, and without it the test is skipped.
#include "cli_fixture.h"
#include "data/json_file.h"
#include "eval/manifest.h"
#include "eval/template.h"

namespace glmv {
namespace {

using eval::Json;

std::string snapshots() {
  const char* named = std::getenv("GLMV_PROMPT_SNAPSHOTS");
  return named != nullptr && fs::is_directory(named) ? named : "";
}

eval::Json snapshot(const std::string& name) { return Json::parse(read(snapshots() + '/' + name + ".json")); }

const eval::Frame& frame_of(const eval::Manifest& m, const std::string& name) {
  for (const eval::Frame& f : m.frames)
    if (f.name == name) return f;
  throw std::runtime_error("no frame " + name);
}

class EvalPrompts : public testing::Test {
 protected:
  void SetUp() override {
    if (snapshots().empty()) GTEST_SKIP() << "GLMV_PROMPT_SNAPSHOTS names no folder";
  }
  void expect_prompt(const std::string& task, const std::string& frame, const std::string& name,
                     const Json& row) const {
    const eval::Manifest m = eval::read_manifest(kSource + "/data/benchmarks/" + task + ".json");
    const Json wanted = snapshot(name);
    EXPECT_EQ(eval::render_frame(frame_of(m, frame), row, task), wanted["prompt_text"].get<std::string>()) << name;
  }
};

// The rows hold what the snapshots' documents hold; frames, options and requests are the manifests'.
TEST_F(EvalPrompts, MmbenchWithAndWithoutHint) {
  expect_prompt("mmbench_v11_en", "lmms_eval", "mmbench_en_dev__hint",
                {{"hint", "The person is outdoors near a body of water."},
                 {"question", "What activity is the person in the image performing?"},
                 {"choices", {{"A", "Swimming"}, {"B", "Running"}, {"C", "Fishing"}, {"D", "Cycling"}}}});
  expect_prompt("mmbench_v11_en", "lmms_eval", "mmbench_en_dev__nohint",
                {{"hint", nullptr},
                 {"question", "What color is the car in the image?"},
                 {"choices", {{"A", "Red"}, {"B", "Blue"}, {"C", "Green"}, {"D", "Yellow"}}}});
}

TEST_F(EvalPrompts, Mmmu) {
  expect_prompt(
      "mmmu_val", "lmms_eval", "mmmu_val__mc",
      {{"question_type", "multiple-choice"},
       {"question", "In the context of agency theory, which scenario best illustrates a Type I agency problem?"},
       {"choices",
        {{"A", "Shareholders disagreeing with bondholders over dividend policy"},
         {"B", "Managers pursuing personal projects that reduce firm value"},
         {"C", "Majority shareholders expropriating minority shareholders"},
         {"D", "Suppliers refusing to extend credit terms to the firm"}}}});
  expect_prompt("mmmu_val", "lmms_eval", "mmmu_val__open",
                {{"question_type", "open"},
                 {"question", "What is the area of the shaded region in the figure shown?"},
                 {"choices", Json::object()}});
}

TEST_F(EvalPrompts, BareQuestionsAndRequests) {
  expect_prompt("ocrbench", "bare", "ocrbench", {{"question", "What is the text written on the sign in this image?"}});
  expect_prompt("hallusionbench", "bare", "hallusion_bench_image",
                {{"question", "Is there a cat sitting on the table in this image?"}});
  expect_prompt("mmlongbench_doc", "lmms_eval", "mmlongbench_doc",
                {{"question", "What is the total revenue reported in Q3 2023?"}});
  expect_prompt("blink_val", "lmms_eval", "blink__art_style",
                {{"question", "Which of the following art styles best matches the painting shown in the image?"},
                 {"choices", {{"A", "x"}, {"B", "x"}, {"C", "x"}, {"D", "x"}}}});
}

}  // namespace
}  // namespace glmv
