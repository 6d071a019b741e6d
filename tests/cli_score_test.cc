// score: rules on cases, stored responses in other people's layouts, and what is said of broken files.
#include <cstdlib>

#include "eval/import.h"
#include "eval/python_random.h"
#include "tests/cli_fixture.h"

namespace glmv {
namespace {

const std::string kSamples = kSource + "/data/samples/";

/// The authors' own responses, where GLMV_REAL_OUTPUTS says they are.
std::string real_outputs() {
  const char* named = std::getenv("GLMV_REAL_OUTPUTS");
  return named != nullptr ? named : "";
}

TEST_F(Cli, ScorePrintsOneResultPerCase) {
  const Result r = glmv("score --algorithm mc_can_infer --cases " + kSamples + "score/mc_can_infer.json");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json j = Json::parse(r.out);
  EXPECT_EQ(j["schema"], "glmv.score/1");
  EXPECT_EQ(j["algorithm"], "mc_can_infer");
  EXPECT_EQ(j["results"], Json({"B", "C", "C", nullptr}));
}

TEST_F(Cli, ScoreListsEveryRule) {
  const Result text = glmv("score --list"), json = glmv("score --list --json");
  ASSERT_EQ(text.code, 0);
  ASSERT_EQ(json.code, 0);
  const Json rules = Json::parse(json.out)["rules"];
  EXPECT_GE(rules.size(), 77u);
  EXPECT_EQ(static_cast<size_t>(std::count(text.out.begin(), text.out.end(), '\n')), rules.size());
}

TEST_F(Cli, ScoreNamesFileCaseFieldAndValue) {
  std::ofstream(path("cases.json")) << R"([{"input": {"text": "a"}}, {"input": {"text": 7}}])";
  std::ofstream(path("object.json")) << R"({"input": {"text": "a"}})";
  std::ofstream(path("broken.json")) << R"([{"input": )";
  std::ofstream(path("bytes.json")) << "[{\"text\": \"a\xff\"}]";
  expect_error("score --algorithm squad_normalize --cases cases.json", 3,
               {"cases.json: case 1: squad_normalize: text is 7, not a string"});
  expect_error("score --algorithm squad_normalize --cases object.json", 3, {"object.json", "list of cases"});
  expect_error("score --algorithm squad_normalize --cases broken.json", 3, {"broken.json"});
  expect_error("score --algorithm squad_normalize --cases bytes.json", 3, {"bytes.json"});
  expect_error("score --algorithm squad_normalize --cases absent.json", 3, {"absent.json"});
  expect_error("score --algorithm no_such --cases cases.json", 2, {"no_such"});
  expect_error("score --algorithm squad_normalize", 2, {"--cases"});
  expect_error("score", 2, {"--list"});
  expect_error("score --list --import rows x", 2, {"one of"});
  expect_error("score --import nothing x", 2, {"nothing", "mmmu, mathvista, lmms-eval, vlmevalkit, rows"});
  expect_error("score --import rows", 2, {"no file"});
  expect_error("score --algorithm squad_normalize --cases cases.json -o cases.json", 2, {"cases.json"});
  expect_error("score --list -o no/such/folder/x", 3, {"no/such/folder"});
}

TEST_F(Cli, ScoreReadsMmmuResponses) {
  const Result r = glmv("score --import mmmu " + kSamples + "import/mmmu --json --attribute");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json j = Json::parse(r.out);
  EXPECT_EQ(j["rules"][0]["name"], "official");
  EXPECT_EQ(j["rules"][0]["groups"]["Art"]["right"], 3);  // one of two draws is right, as Python's generator has it
  EXPECT_EQ(j["rules"][0]["groups"]["Math"]["right"], 2);
  EXPECT_EQ(j["rules"][0]["total"]["drawn"], 2);
  EXPECT_EQ(j["rules"][0]["total"]["drawn_right"], 1);
  EXPECT_EQ(j["rules"][2]["total"]["right"], 3);  // lmms-eval: no open question
  EXPECT_EQ(j["disputed"].size(), 5u);
  EXPECT_EQ(j["disputed"][0]["id"], "validation_Art_2");
  EXPECT_EQ(j["disputed"][0]["readings"][2]["cause"], "draw");
  EXPECT_EQ(j["disputed"][2]["readings"][3]["cause"], "extraction");
}

TEST_F(Cli, ScoreTakesAnswersFromAnotherFile) {
  std::ofstream(path("answers.json"))
      << R"({"validation_Art_1": {"question_type": "multiple-choice", "ground_truth": "C"}})";
  const Result r = glmv("score --import mmmu --json answers.json " + kSamples + "import/mmmu/Art/output.json");
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(Json::parse(r.out)["rules"][0]["total"]["right"], 2);
}

TEST_F(Cli, ScoreReadsMathvistaResponses) {
  const Result r = glmv("score --import mathvista " + kSamples + "import/mathvista --json --by answer_type");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json j = Json::parse(r.out);
  EXPECT_EQ(j["rules"][0]["total"]["right"], 3);
  EXPECT_EQ(j["rules"][0]["groups"]["float"]["right"], 1);
  EXPECT_EQ(j["rules"][2]["groups"]["float"]["right"], 0);  // lmms-eval loses float answers
  EXPECT_EQ(j["stored"], Json({{"verdicts", 5}, {"same_verdicts", 5}, {"same_predictions", 5}}));
  expect_error("score --import mathvista --by colour " + kSamples + "import/mathvista", 2, {"colour", "answer_type"});
}

TEST_F(Cli, ScoreReadsAnyonesRows) {
  const Result r = glmv("score --import rows " + kSamples + "import/rows.jsonl --json --attribute");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json j = Json::parse(r.out);
  EXPECT_EQ(j["rules"][0]["total"]["right"], 3);
  EXPECT_EQ(j["rules"][1]["total"]["right"], 3);
  EXPECT_EQ(j["rules"][2]["total"]["right"], 3);
  EXPECT_EQ(j["disputed"].size(), 2u);
  EXPECT_EQ(j["disputed"][1]["readings"][1]["cause"], "comparison");
}

TEST_F(Cli, ScoreTakesNumbersAndGroupsByAnyField) {
  std::ofstream(path("rows.jsonl"))
      << R"({"id": 1, "response": 12, "answer": 12, "task": "count"})" << '\n'
      << R"({"id": 2, "response": "A", "answer": "B", "choices": [1, 2], "task": "pick"})";
  const Result r = glmv("score --import rows rows.jsonl --by task --json");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json groups = Json::parse(r.out)["rules"][0]["groups"];
  EXPECT_EQ(groups["count"]["right"], 1);
  EXPECT_EQ(groups["pick"]["right"], 0);
}

// Worked out by hand: of the four lmms-eval rows the strict rule reads the bare "A" and "12".
TEST_F(Cli, ScoreReadsTheFilesOfBothToolkits) {
  const Result lmms = glmv("score --import lmms-eval " + kSamples + "import/lmms-eval.jsonl --by category --json");
  ASSERT_EQ(lmms.code, 0) << lmms.err;
  const Json a = Json::parse(lmms.out);
  EXPECT_EQ(a["rules"][0]["total"]["n"], 4) << "a sample with two filters counts once";
  EXPECT_EQ(a["rules"][0]["name"], "lmms-eval") << "the toolkit's own rule stands first";
  EXPECT_EQ(a["rules"][0]["total"]["right"], 3);
  EXPECT_EQ(a["rules"][0]["groups"]["shape"]["right"], 2);
  EXPECT_EQ(a["rules"][1]["name"], "strict");
  EXPECT_EQ(a["rules"][1]["total"]["right"], 2);
  EXPECT_EQ(a["rules"][2]["total"]["right"], 3);
  EXPECT_EQ(a["stored"], Json({{"verdicts", 4}, {"same_verdicts", 4}, {"same_predictions", 0}}));
  for (const char* file : {"vlmevalkit.tsv", "vlmevalkit.json"}) {
    const Result r = glmv("score --import vlmevalkit " + kSamples + "import/" + file + " --by category --json");
    ASSERT_EQ(r.code, 0) << r.err;
    const Json b = Json::parse(r.out);
    EXPECT_EQ(b["rules"][0]["name"], "VLMEvalKit");
    EXPECT_EQ(b["rules"][0]["total"]["right"], 3) << file;
    EXPECT_EQ(b["rules"][0]["groups"]["text"]["right"], 1) << "a literal list means any of its texts";
    EXPECT_EQ(b["stored"], Json({{"verdicts", 4}, {"same_verdicts", 4}, {"same_predictions", 0}}));
  }
}

TEST_F(Cli, ScoreRefusesBrokenResponses) {
  const auto refused = [&](const std::string& layout, const std::string& text, const std::vector<std::string>& parts) {
    std::ofstream(path("in.json")) << text;
    expect_error("score --import " + layout + " in.json", 3, parts);
  };
  refused("rows", "[]", {"no response"});
  refused("rows", R"([{"id": 1, "response": "a"}])", {"in.json", "[0]", "answer is missing"});
  refused("rows", "\n{\"id\": 1, \"response\": true, \"answer\": \"a\"}", {"in.json line 2.response is true"});
  refused("rows", R"({"doc_id": 1, "target": "a"})", {"doc_id", "--import lmms-eval"});
  refused("rows", R"([{"index": 1, "prediction": "a"}])", {"[0]", "--import vlmevalkit"});
  refused("rows", "id,response,answer\n1,a,b\n", {"in.json line 1", "no JSON object", "{id, response, answer"});
  refused("lmms-eval", R"({"doc_id": 0, "target": "A"})", {"in.json line 1", "filtered_resps is missing"});
  refused("lmms-eval", R"({"doc_id": 0, "doc": {"options": ["a"]}, "target": 3, "resps": [["A"]]})", {"target is 3"});
  refused("vlmevalkit", "index\tanswer\n1\tA\n", {"in.json row 1", "prediction is missing"});
  refused("vlmevalkit", "PK\x03\x04", {"in.json", "spreadsheet", "TSV"});
  refused("rows", "{\"id\": 1,\n", {"in.json line 1"});
  refused("rows", R"([{"id": 1, "response": "a", "answer": []}])", {"answer"});
  refused(
      "mmmu",
      R"([{"id": "validation_Art_1", "question_type": "multiple-choice", "answer": "A", "index2ans": {}, "response": "A"}])",
      {"index2ans"});
  refused("mmmu", "7", {"in.json"});
  refused("mathvista", "[]", {"in.json"});
  refused("mathvista",
          R"({"1": {"question_type": "free_form", "answer_type": "integer", "answer": "3", "response": "3"}})",
          {"1:", "extraction"});
  refused(
      "mathvista",
      R"({"1": {"question_type": "multi_choice", "answer_type": "text", "choices": [], "answer": "3", "response": "3"}})",
      {"choices"});
  expect_error("score --import mmmu " + kSource + "/eval", 3, {"output.json"});
}

TEST(ImportedResponses, DrawsAreThoseOfPython) {
  py::Random random(42);
  const std::vector<size_t> wanted = {0, 0, 2, 1,
                                      1, 1, 0, 0};  // random.seed(42); [random.choice("ABCD") for _ in range(8)]
  for (const size_t w : wanted) EXPECT_EQ(random.choice(4), w);
}

TEST(ImportedResponses, CausesInOrder) {
  const Reading a{true, "1", "1.0", false}, other{false, "2", "2.0", false}, form{false, "1", "1", false},
      drawn{false, "1", "1", true};
  EXPECT_EQ(cause_of(a, other), Disagreement::extraction);
  EXPECT_EQ(cause_of(a, form), Disagreement::normalisation);
  EXPECT_EQ(cause_of(a, a), Disagreement::comparison);
  EXPECT_EQ(cause_of(a, drawn), Disagreement::draw);
}

class RealResponses : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::is_directory(real_outputs())) GTEST_SKIP() << "the authors' responses are not at " << real_outputs();
  }
  static const ImportLayout& layout(const std::string& name) {
    return *std::find_if(layouts().begin(), layouts().end(), [&](const auto& l) { return l.name == name; });
  }
};

TEST_F(RealResponses, LlavaOnMmmuIs330Of900SubjectBySubject) {
  const ImportReport report = score_stored(layout("mmmu"), {real_outputs() + "/mmmu_val_llava1.5_13b"});
  EXPECT_EQ(tally(report, 0, "", "").n, 900);
  EXPECT_EQ(tally(report, 0, "", "").right, 330);
  EXPECT_EQ(tally(report, 0, "", "").drawn, 2);
  // MMMU's own script, run on the same files
  const std::map<std::string, int> right = {{"Accounting", 8},
                                            {"Agriculture", 15},
                                            {"Architecture_and_Engineering", 10},
                                            {"Art", 18},
                                            {"Art_Theory", 16},
                                            {"Basic_Medical_Science", 15},
                                            {"Biology", 7},
                                            {"Chemistry", 6},
                                            {"Clinical_Medicine", 12},
                                            {"Computer_Science", 6},
                                            {"Design", 18},
                                            {"Diagnostics_and_Laboratory_Medicine", 11},
                                            {"Economics", 7},
                                            {"Electronics", 6},
                                            {"Energy_and_Power", 11},
                                            {"Finance", 4},
                                            {"Geography", 12},
                                            {"History", 17},
                                            {"Literature", 22},
                                            {"Manage", 10},
                                            {"Marketing", 5},
                                            {"Materials", 12},
                                            {"Math", 10},
                                            {"Mechanical_Engineering", 5},
                                            {"Music", 11},
                                            {"Pharmacy", 8},
                                            {"Physics", 9},
                                            {"Psychology", 11},
                                            {"Public_Health", 12},
                                            {"Sociology", 16}};
  for (const auto& [subject, n] : right) EXPECT_EQ(tally(report, 0, "subject", subject).right, n) << subject;
}

TEST_F(RealResponses, BardAndLlavaOnMathvistaRowByRow) {
  for (const auto& [model, right] : {std::pair("bard", 348), std::pair("llava_llama_2_13b", 261)}) {
    const std::string folder = real_outputs() + "/mathvista_testmini/";
    const ImportReport report = score_stored(layout("mathvista"), {folder + "output_" + model + ".json"});
    ASSERT_EQ(report.rows.size(), 1000u);
    EXPECT_EQ(tally(report, 0, "", "").right, right);
    for (size_t i = 0; i < report.rows.size(); ++i)
      EXPECT_EQ(report.readings[0][i].right, report.rows[i].verdict) << report.rows[i].id;
    const Json scores = Json::parse(read(folder + "scores_" + model + ".json"));
    for (const char* key :
         {"question_type", "answer_type", "language", "source", "category", "task", "context", "grade"}) {
      for (const auto& [group, wanted] : scores[key].items()) {
        EXPECT_EQ(tally(report, 0, key, group).right, wanted["correct"]) << key << ' ' << group;
        EXPECT_EQ(tally(report, 0, key, group).n, wanted["total"]) << key << ' ' << group;
      }
    }
  }
}

}  // namespace
}  // namespace glmv
