// Every scoring rule: outputs that the toolkits gave when they were run, and what its definition says of the surprises.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>

#include "eval/algorithms.h"
#include "reference/core/error.h"

#include <nlohmann/json.hpp>

namespace glmv {
namespace {

using nlohmann::json;

/// Within 1e-6 relative, as the rules' definitions ask; everything that is no number exactly.
bool equal(const json& a, const json& b) {
  constexpr double kRelative = 1e-6;
  if (a.is_number() && b.is_number()) {
    const double x = a.get<double>(), y = b.get<double>();
    return x == y || std::abs(x - y) <= kRelative * std::max(std::abs(x), std::abs(y));
  }
  if (a.type() != b.type() || a.size() != b.size() || !a.is_structured()) return a == b;
  for (const auto& [key, value] : a.items()) {
    if (a.is_object() ? !b.contains(key) || !equal(value, b[key])
                      : !equal(value, b[static_cast<size_t>(std::stoul(key))]))
      return false;
  }
  return true;
}

json run(const std::string& id, const json& input) { return run_algorithm(id, input); }

void expect(const std::string& id, const json& input, const json& wanted) {
  const json got = run(id, input);
  EXPECT_TRUE(equal(got, wanted)) << id << ' ' << input << "\n  gives " << got << "\n  not   " << wanted;
}

json expect_error(const std::string& id, const json& input, const std::string& part) {
  try {
    const json got = run(id, input);
    ADD_FAILURE() << id << ' ' << input << " gives " << got;
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find(id), std::string::npos) << e.what();
  }
  return nullptr;
}

json pred(const std::string& text) { return {{"prediction", text}}; }
const json kAnimals = {{"A", "cat"}, {"B", "dog"}, {"C", "bird"}, {"D", "cow"}};
json infer(const std::string& text, const json& choices = kAnimals) {
  return {{"prediction", text}, {"choices", choices}};
}

TEST(ScoringRules, AllThatTheTableOfInputsNames) {
  std::set<std::string> known;
  for (const AlgorithmInfo& a : algorithms()) {
    EXPECT_TRUE(known.insert(a.id).second) << a.id;
    EXPECT_FALSE(a.meaning.empty() || a.source.empty()) << a.id;
  }
  const std::vector<std::string> wanted = {"mc_can_infer",
                                           "mmbench_circular",
                                           "mmbench_report",
                                           "videomme_first_letter",
                                           "treebench_first_letter",
                                           "mc_robust_priority",
                                           "mc_tail_match",
                                           "omnispatial_re",
                                           "blink_leading_letter",
                                           "cvbench_overall",
                                           "process_punctuation",
                                           "yes_no_extract",
                                           "hallusionbench_aggregate",
                                           "mmmu_mc_parse",
                                           "videommmu_mc_parse",
                                           "mmmu_open_eval",
                                           "mmmu_normalize",
                                           "mmmu_pro_cot_postproc",
                                           "mathvista_normalize_equal",
                                           "mathvista_vlmevalkit_check",
                                           "mathvision_is_equal",
                                           "mathvision_find_answer",
                                           "dynamath_item",
                                           "dynamath_aggregate",
                                           "wemath_four_dim",
                                           "wemath_letter_rule",
                                           "logicvista_letters",
                                           "ocrbench_contains",
                                           "ocrbench_contains_fullwidth",
                                           "relaxed_accuracy",
                                           "anls_docvqa",
                                           "anls_package",
                                           "chartqapro_relaxed",
                                           "chartqapro_relaxed_exact_mc",
                                           "chartmuseum_extract",
                                           "chartmuseum_verdict",
                                           "mmlongbench_eval_score",
                                           "mmlongbench_f1",
                                           "mmlongbench_eval_score_lmms",
                                           "zerobench_contains",
                                           "zerobench_exact",
                                           "refcoco_item",
                                           "refcoco_macro_average",
                                           "refcoco_lmms_parse",
                                           "ref_l4_accuracy",
                                           "treebench_iou",
                                           "geobench_points",
                                           "videomme_by_duration",
                                           "mvbench_check_ans",
                                           "mvbench_mcq_acc",
                                           "lvbench_polish",
                                           "motionbench_letter",
                                           "motionbench_split",
                                           "motionbench_accuracy",
                                           "mmvu_rule",
                                           "design2code_blocks",
                                           "ciede2000_similarity",
                                           "sequence_matcher_ratio",
                                           "design2code_cleanup",
                                           "vlm_judge_threshold80",
                                           "pass_at_k",
                                           "glm_box_extract",
                                           "androidworld_action_parse",
                                           "androidworld_step_reward",
                                           "androidworld_success_rate",
                                           "osworld_action_parse",
                                           "webvoyager_verdict",
                                           "geobench_parse",
                                           "geobench_distance",
                                           "geobench_average",
                                           "mmstar_l2_average",
                                           "videommmu_overall",
                                           "webquest_relaxed",
                                           "squad_normalize",
                                           "box_iou_xyxy",
                                           "osworld_mean_score",
                                           "glm_failed_sample_rule"};
  EXPECT_EQ(wanted.size(), 77u);
  for (const std::string& id : wanted) EXPECT_EQ(known.count(id), 1u) << id;
}

TEST(ScoringRules, AnswerAsTheToolkitsDid) {
  std::ifstream in(std::string(GLMV_SOURCE_DIR) + "/tests/eval/toolkit_cases.jsonl");
  size_t count = 0;
  for (std::string line; std::getline(in, line); ++count) {
    const json c = json::parse(line);
    expect(c.at("id"), c.at("input"), c.at("output"));
  }
  EXPECT_GT(count, 250u);
}

/// Runs of what patterns stumble over, in every field that holds a reply: an answer or one clear error, and no hang.
TEST(ScoringRules, HugeTextsEnd) {
  constexpr size_t kBytes = 100'000;
  std::ifstream in(std::string(GLMV_SOURCE_DIR) + "/tests/eval/toolkit_cases.jsonl");
  std::set<std::string> done;
  for (std::string line; std::getline(in, line);) {
    const json c = json::parse(line);
    const std::string id = c.at("id");
    if (!done.insert(id).second) continue;
    for (const char* field : {"prediction", "response", "text", "extraction", "res", "judge_output"}) {
      if (!c["input"].contains(field)) continue;
      for (const std::string unit : {" ", "(", "{", "<answer>A", "\n", "1,", "answer is ", "country: x\nlat: 1\n"}) {
        json input = c["input"];
        std::string text = "x";
        while (text.size() < kBytes) text += unit;
        input[field] = text;
        try {
          run(id, input);
        } catch (const Error& e) {
          EXPECT_NE(std::string(e.what()).find(id), std::string::npos) << e.what();
        }
      }
    }
  }
  EXPECT_GT(done.size(), 30u);
}

TEST(ChoiceRules, CanInfer) {
  const auto check = [](const std::string& text, const json& wanted, const json& choices = kAnimals) {
    expect("mc_can_infer", infer(text, choices), wanted);
  };
  check("B", "B");
  check("(B) dog", "B");
  check("b", nullptr);
  check("The answer is clearly none of them, I think so", "C");  // the first letter of any word
  check("the answer is a bird", "A");
  check("The answer is dog", "D");
  check("The answer is E", nullptr);
  check("I would go for A because it looks like it", nullptr);  // not among the last four tokens
  check("I would go for A because so now", "A");
  check("A x y z", "A");
  check("A w x y z", nullptr);
  check("A or B", nullptr);
  check("Z", "Z");
  check("Sorry, I can't help with images of people yet.", "Z");
  check("Failed to obtain answer via API B", nullptr);
  check("Failed to obtain answer via API dog", nullptr);  // longer than twice the options
  check("a dog", "B");
  check("12", nullptr, {{"A", "12"}, {"B", "120"}, {"C", "1"}});  // 12 and 1 are both in it
  check("120", nullptr, {{"A", "12"}, {"B", "120"}});
  check("", nullptr);
  check("<|begin_of_box|>C<|end_of_box|>", nullptr);
}

TEST(ChoiceRules, FirstLetters) {
  expect("videomme_first_letter", pred("Because of C"), "B");
  expect("videomme_first_letter", pred("Best answer:A"), "B");
  expect("videomme_first_letter", pred("The answer is C"), "C");
  expect("videomme_first_letter", pred("none"), "");
  expect("treebench_first_letter", pred("b"), "B");
  expect("treebench_first_letter", pred("("), "A");
  expect("treebench_first_letter", pred(""), "A");
  expect("treebench_first_letter", pred("The answer is b"), "");
  expect("treebench_first_letter", pred("Best answer:C"), "C");
  expect("omnispatial_re", pred("no idea"), "A");
  expect("omnispatial_re", pred("answer: b then Answer :C"), "C");
  expect("omnispatial_re", pred("answer: b"), "b");
  expect("blink_leading_letter", pred("the answer is B"), "T");
  expect("blink_leading_letter", pred("((b) x"), "B");
  expect("lvbench_polish", {{"answer", "The answer is (C)"}}, "C");
  expect("lvbench_polish", {{"answer", "The answer is C"}}, "T");
  expect("lvbench_polish", {{"answer", "((A))"}}, "");
  expect("motionbench_letter", pred("apple"), "A");
  expect("motionbench_letter", pred("<think>B</think> it is a cat"), "A");
  expect("motionbench_letter", pred("12"), "");
}

TEST(ChoiceRules, RobustPriority) {
  const auto check = [](const std::string& text, const std::string& wanted) {
    expect("mc_robust_priority", {{"response", text}, {"choices", {"A", "B", "C", "D"}}}, wanted);
  };
  check("B。", "B");
  check("B是", "B");  // no start, but any occurrence
  check("A是 then D: (B)", "B");
  check("The answer is A, not B", "B");    // a letter at the end outranks the phrase
  check("The answer is A, not Bob", "B");  // behind the phrase, the later letter
  check("It ends in C", "C");
  check("(A) so B", "B");
  check("(A) then B. but", "A");
  check("", "");
  check("no letters", "");
}

TEST(ChoiceRules, TailMatch) {
  expect("mc_tail_match", pred("<answer>because</answer>"), "B");
  expect("mc_tail_match", pred("it is maybe A</think>\nThe answer is B"), "A");
  expect("mc_tail_match", pred("reasons\nC. it is so"), "C");
  expect("mc_tail_match", pred("option A: dog\noption B: cat"), nullptr);
  expect("mc_tail_match", pred("**D**"), "D");
  expect("mc_tail_match", pred("B\nA or C\nA or C\nA or C\nA or C\nA or C\nA or C"), nullptr);  // the seventh line
  expect("mc_tail_match", pred("B\nA or C\nA or C\nA or C\nA or C\nA or C"), "B");
  expect("mc_tail_match", pred("因此 e"), "E");
  expect("mc_tail_match", pred(""), nullptr);
}

TEST(ChoiceRules, MvbenchAndMmvu) {
  expect("mvbench_check_ans", {{"prediction", ""}, {"answer", "(A) x"}}, true);  // the empty text is part of any
  expect("mvbench_check_ans", {{"prediction", "..."}, {"answer", "(A) x"}}, true);
  expect("mvbench_check_ans", {{"prediction", ")"}, {"answer", "(A) x"}}, true);
  expect("mvbench_check_ans", {{"prediction", "A\nmore"}, {"answer", "(A) x"}}, false);
  expect("mvbench_check_ans", {{"prediction", "B. y"}, {"answer", "(A) x"}}, false);
  expect("mvbench_mcq_acc", {{"prediction", "It is a dog"}, {"answer", "A"}}, 1);
  expect("mvbench_mcq_acc", {{"prediction", "B"}, {"answer", "A"}}, 0);
  const json open = {{"question_type", "open-ended"}, {"choices", json::object()}};
  const auto mmvu = [&](const std::string& answer, const std::string& text, bool wanted) {
    json input = open;
    input["answer"] = answer, input["prediction"] = text;
    expect("mmvu_rule", input, wanted);
  };
  mmvu("5 m", "anything at all", true);  // all gold words are short
  mmvu("x = 2", "no", true);
  mmvu("whatever", "", true);
  mmvu("3.14", "3.15 m", true);  // a hundredth, in binary, is less than 0.01
  mmvu("3.14", "3.16 m", false);
  mmvu("-3.14", "about 3.14", true);  // signs are not read
  mmvu("O(n²)", "o( n^2 )", true);
  expect("mmvu_rule",
         {{"question_type", "multiple-choice"}, {"answer", "B"}, {"choices", kAnimals}, {"prediction", "a dog"}}, true);
}

TEST(ChoiceRules, MmmuFamily) {
  const auto mmmu = [](const std::string& id, const std::string& text, const json& wanted) {
    expect(id, {{"response", text}, {"index2ans", kAnimals}}, wanted);
  };
  mmmu("mmmu_mc_parse", "Answer:B", "B");
  mmmu("mmmu_mc_parse_official", "Answer:B", nullptr);  // a draw there
  mmmu("mmmu_mc_parse", "答案是B", "B");
  mmmu("mmmu_mc_parse_official", "答案是B", nullptr);
  mmmu("mmmu_mc_parse", "(A) or (C), so (B)", "B");
  mmmu("mmmu_mc_parse", "A x xB y", "A");  // both are candidates, " X " tells them apart
  mmmu("mmmu_mc_parse", "A) dog", nullptr);
  mmmu("mmmu_mc_parse", "I am quite sure it was the dog", "B");
  mmmu("mmmu_mc_parse", "a dog", nullptr);  // not more than five words
  mmmu("mmmu_mc_parse", "", nullptr);
  mmmu("videommmu_mc_parse", "", "API Error");
  mmmu("videommmu_mc_parse", "xx Answer: API Error", "API Error");
  mmmu("videommmu_mc_parse", "A: no. B. yes", "B");
  mmmu("videommmu_mc_parse", "nothing", "No Answere Found");
  expect("mmmu_pro_cot_postproc", {{"response", "x\nAnswer: B\n Answer: C or D"}}, " C or D");
  expect("mmmu_pro_cot_postproc", {{"response", "x\nAnswer: C."}}, "C");
  expect("mmmu_pro_cot_postproc", {{"response", "C"}}, "C");
  expect("wemath_letter_rule", pred("The Answer is D."), nullptr);
  expect("wemath_letter_rule", pred("Answer: <D>"), "D");
  expect("wemath_letter_rule", pred(""), nullptr);
}

TEST(OpenRules, Mmmu) {
  const auto open = [](const std::string& text, const json& gold, bool wanted) {
    expect("mmmu_open_eval", {{"response", text}, {"answer", gold}}, wanted);
  };
  open("42", "42", true);
  open("The answer is 1,234.567", "1234.57", true);
  open("carbon dioxide", "Carbon dioxide", true);
  open("number of cats is 7 in total 9", "9", true);
  open("a", "a", true);
  open("banana", "a", false);  // a one-character gold wants a blank beside it
  open("1/2", "0.5", false);
  open("", "x", false);
  open("forty two", json::array({"42", "forty two"}), true);
  open("nan", "nan", false);
  expect("mmmu_normalize", {{"text", "1,2,3"}}, {123.0});
  expect("mmmu_normalize", {{"text", "2.675"}}, {2.67});
  expect("mmmu_normalize", {{"text", " X "}}, {" x", "x "});
}

TEST(MathRules, Mathvista) {
  const auto check = [](const std::string& text, const char* type, const json& precision, const std::string& answer,
                        const json& normalized, bool correct) {
    expect("mathvista_normalize_equal",
           {{"extraction", text},
            {"choices", nullptr},
            {"question_type", "free_form"},
            {"answer_type", type},
            {"precision", precision},
            {"answer", answer}},
           {{"normalized", normalized}, {"correct", correct}});
  };
  check("1.40", "float", 2, "1.4", "1.4", true);
  check("-0.001", "float", 2, "0.0", "-0.0", false);
  check("nan", "float", 2, "nan", "nan", true);  // equal as texts
  check("2.675", "float", 2.0, "2.67", "2.67", true);
  check("14.9", "integer", nullptr, "14", "14", true);
  check("inf", "integer", nullptr, "0", nullptr, false);
  check("1,000", "integer", nullptr, "1000", nullptr, false);
  check("12%", "float", 1, "12.0", nullptr, false);
  check("[1, 2]", "list", nullptr, " [1, 2]", "[1, 2]", true);
  const auto choice = [](const std::string& text, const std::string& wanted) {
    expect("mathvista_normalize_equal",
           {{"extraction", text},
            {"choices", {"3/11", "8/11", "6/11"}},
            {"question_type", "multi_choice"},
            {"answer_type", "text"},
            {"precision", nullptr},
            {"answer", wanted}},
           {{"normalized", wanted}, {"correct", true}});
  };
  choice("(b)", "8/11");
  choice("B", "8/11");
  choice("b", "3/11");         // a small letter counts in brackets only; the first of equally near ones
  choice("(F) 6/11", "3/11");  // beyond the options: the distance to "F"
  choice("6/1", "6/11");
}

TEST(MathRules, MathvistaOfVlmevalkit) {
  const auto check = [](const char* type, const std::string& answer, const std::string& reply, bool wanted) {
    expect(
        "mathvista_vlmevalkit_check",
        {{"question_type", "free_form"}, {"answer", answer}, {"choices", "[]"}, {"answer_type", type}, {"res", reply}},
        wanted);
  };
  check("integer", "14", "14.0", false);
  check("integer", "14", " １４ ", true);
  check("integer", "14.0", "14", false);
  check("float", "2.50", "2.5", true);
  check("float", "nan", "nan", false);
  check("text", "x", "x", false);
  check("list", "None", "anything", true);
  expect_error(
      "mathvista_vlmevalkit_check",
      {{"question_type", "multi_choice"}, {"answer", "x"}, {"choices", "['a'"}, {"answer_type", "text"}, {"res", "A"}},
      "choices");
}

TEST(MathRules, MathvisionEqual) {
  const auto vlm = [](const std::string& a, const std::string& b, bool wanted) {
    expect("mathvision_is_equal", {{"prediction", a}, {"answer", b}}, wanted);
  };
  const auto lmms = [](const std::string& a, const std::string& b, bool wanted) {
    expect("mathvision_is_equal_lmms", {{"prediction", a}, {"answer", b}}, wanted);
  };
  vlm("2^3", "1", true);  // exclusive or
  vlm("2^3", "8", true);  // LaTeX
  vlm("1,000", "1000", true);
  vlm("\\frac{1}{2}", "0.5", true);
  vlm("2 \\times 3", "6", true);
  vlm("\\sqrt{4}", "2", false);
  vlm("2\\sqrt{3}", "\\sqrt{12}", false);
  vlm("\\pi", "3.14159265", false);
  vlm("(A)", "A", true);
  vlm("(B)", "b", true);
  vlm("(C)", "C", false);
  vlm("012", "12", true);  // no Python number, but LaTeX
  vlm("50%", "50", false);
  vlm("", "", true);
  vlm("1/0", "1", false);
  vlm("3**2", "9", true);
  lmms("3**2", "9", false);
  lmms("\\sqrt{4}", "2", true);
  lmms("\\pi", "3.14159265", true);
  lmms("(1+1, 3)", "(2,3)", true);
  lmms("", "", false);
  lmms("5!", "120", true);
}

TEST(MathRules, MathvisionFindAnswer) {
  const auto check = [](const std::string& text, const std::string& wanted) {
    expect("mathvision_find_answer", {{"text", text}}, wanted);
  };
  check("so \\boxed{x = 3/4}", "\\frac{3}{4}");
  check("\\frac12", "\\frac12");
  check("\\sqrt3\\frac12", "\\sqrt{3}\\frac{1}{2}");
  check("0.5", "\\frac{1}{2}");
  check(".25", "0.25");
  check("\\boxed{}", "\\boxed");
  check("\\boxed{1} and \\boxed{2}", "1");  // from the first box to the last brace, cut at the first brace
  check("5\\text{ cm}", "5{cm}");
  check("", "");
}

TEST(MathRules, Dynamath) {
  const auto check = [](const std::string& text, const char* type, const std::string& answer, const std::string& judge,
                        const json& wanted) {
    expect("dynamath_item", {{"prediction", text}, {"answer_type", type}, {"answer", answer}, {"judge_reply", judge}},
           wanted);
  };
  check("{\"short answer\": 3.142}", "float", "3.142", "no",
        {{"parse", false}, {"extracted", nullptr}, {"correct", false}});
  check("{\"short answer\": \"2π/3\"}", "float", "6.283", "",
        {{"parse", true}, {"extracted", 6.283185307179586}, {"correct", true}});
  check("{\"short answer\": \"π\"}", "float", "3.142", "3.142",
        {{"parse", true}, {"extracted", 3.142}, {"correct", true}});
  check("{\"x\": \"a\nb\", \"short answer\": \"Both\"}", "multiple choice", "B", "",
        {{"parse", true}, {"extracted", "B"}, {"correct", true}});
  check("xyz B", "multiple choice", "X", "", {{"parse", true}, {"extracted", "B"}, {"correct", false}});
  check("", "text", "anything", "", {{"parse", true}, {"extracted", ""}, {"correct", true}});
  check("{{\"short answer\": \"1\"}", "float", "1", "1.0009",
        {{"parse", true}, {"extracted", 1.0009}, {"correct", true}});
  expect_error("dynamath_item", {{"prediction", "1"}, {"answer_type", "float"}, {"answer", "one"}}, "one");
  expect("logicvista_letters", {{"judge_output", "BA"}, {"answer", "A, B"}}, {{"parsed", true}, {"hit", 1}});
  expect("logicvista_letters", {{"judge_output", "BD"}, {"answer", "B,D"}}, {{"parsed", true}, {"hit", 0}});
  expect("logicvista_letters", {{"judge_output", "A B"}, {"answer", "A, B"}}, {{"parsed", false}, {"hit", 0}});
  expect("logicvista_letters", {{"judge_output", ""}, {"answer", "A"}}, {{"parsed", false}, {"hit", 0}});
}

TEST(TextRules, ContainmentAndYesNo) {
  expect("ocrbench_contains", {{"prediction", "ABC\nD"}, {"answers", {"c d"}}, {"category", "x"}}, 1);
  expect("ocrbench_contains", {{"prediction", "１２"}, {"answers", {"12"}}, {"category", "x"}}, 0);
  expect("ocrbench_contains_fullwidth", {{"prediction", "１２"}, {"answers", {"12"}}, {"dataset", "x"}}, 1);
  expect("ocrbench_contains_fullwidth", {{"prediction", "１２"}, {"answers", {"12"}}, {"dataset", "HME100k"}}, 0);
  expect(
      "ocrbench_contains",
      {{"prediction", "x ^ 2"}, {"answers", {"x^2"}}, {"category", "Handwritten Mathematical Expression Recognition"}},
      1);
  expect("ocrbench_contains", {{"prediction", ""}, {"answers", {"a", "n"}}, {"category", "x"}}, 0);
  expect("yes_no_extract", pred("Yes, it is."), "Yes");
  expect("yes_no_extract", pred("yes and no"), "Unknown");
  expect("yes_no_extract", pred("not"), "Unknown");
  std::string periods, left;
  for (int i = 0; i < 40; ++i) periods += "x.";
  for (int i = 0; i < 32; ++i) left += "x";
  for (int i = 0; i < 8; ++i) left += "x.";
  expect("process_punctuation", {{"text", periods}}, left);  // 32 at most
  expect("process_punctuation", {{"text", "1,5 a-b"}}, "15 ab");
  expect("squad_normalize", {{"text", "The  Cat, a dog!"}}, "cat dog");
  expect("zerobench_contains", {{"prediction", "{142}"}, {"answer", "42"}}, true);
  expect("zerobench_contains", {{"prediction", "{4\n2}"}, {"answer", "42"}}, false);
  expect("zerobench_contains", {{"prediction", "none"}, {"answer", ""}}, true);
  expect("zerobench_exact", {{"prediction", "1,2,3."}, {"answer", "123"}}, true);
  expect("zerobench_exact", {{"prediction", "+5"}, {"answer", "5"}}, false);
  expect("zerobench_exact", {{"prediction", "-0.0"}, {"answer", "0"}}, true);
  expect("zerobench_exact", {{"prediction", "`\"X  y\"`"}, {"answer", "x y"}}, true);
  expect("webquest_relaxed", {{"prediction", "$105"}, {"gold_variants", {"100"}}}, 0);
  expect("webquest_relaxed", {{"prediction", "104.9"}, {"gold_variants", {"100.0", "7"}}}, 1);
  expect("webquest_relaxed", {{"prediction", "101"}, {"gold_variants", {"100"}}}, 0);
}

TEST(DocumentRules, AnlsAndRelaxed) {
  expect("anls_docvqa", {{"groundtruth", "weiß"}, {"prediction", "weiss"}},
         {{"normalized_distance", 0.4}, {"score", 0.6}});
  expect("anls_docvqa", {{"groundtruth", "ab"}, {"prediction", "ax"}}, {{"normalized_distance", 0.5}, {"score", 0.5}});
  expect("anls_docvqa", {{"groundtruth", ""}, {"prediction", ""}}, {{"normalized_distance", 0.0}, {"score", 1.0}});
  expect("anls_package", {{"gold", "ab"}, {"prediction", "ax"}, {"threshold", 0.5}}, 0.0);
  expect("anls_package", {{"gold", ""}, {"prediction", ""}, {"threshold", 0.5}}, 1.0);
  const auto relaxed = [](const std::string& gold, const std::string& reply, bool wanted) {
    expect("relaxed_accuracy", {{"target", gold}, {"prediction", reply}}, wanted);
  };
  relaxed("0", "0.0", false);
  relaxed("0", "0", true);
  relaxed("100", "105", true);
  relaxed("100", "105.01", false);
  relaxed("100", "１０５", true);
  relaxed("1000", "1,000", false);
  relaxed("5%", "0.05", true);
  relaxed("nan", "nan", false);
}

TEST(DocumentRules, Chartqapro) {
  const auto check = [](const json& answers, const char* type, const json& year, const std::string& reply,
                        double wanted, const char* id = "chartqapro_relaxed") {
    expect(id, {{"Answer", answers}, {"Question Type", type}, {"Year", year}, {"prediction", reply}}, wanted);
  };
  check({"Spain."}, "Factoid", {"NO"}, "Spain.\n", 1 - 1.0 / 6);  // the period stays: line feeds go last
  check({"Spain."}, "Factoid", {"NO"}, "Spain.\n", 1, "chartqapro_relaxed_exact_mc");
  check({"[Spain, France]"}, "Factoid", {"NO"}, "['Spain', 'France']", 1);
  check({"[Spain, France]"}, "Factoid", {"NO"}, "[Spain, France]", 0);  // a reply is not repaired
  check({"2019"}, "Factoid", {"YES"}, "2020", 0);
  check({"2019"}, "Factoid", {"NO"}, "2020", 1);
  check({"x", "2019"}, "Conversational", {"NO", "YES"}, "2020", 0);
  check({"5"}, "Factoid", {"NO"}, "5%", 1);
  check({"0"}, "Factoid", {"NO"}, "0.0", 1);
  check({"nan"}, "Factoid", {"NO"}, "nan", 0);
  check({"[1, 2]"}, "Factoid", {"NO"}, "[1, 2, 3]", 2.0 / 3);
  check({"[]"}, "Factoid", {"NO"}, "[]", 1);
  check({"abcd"}, "Multi Choice", {"NO"}, "abce", 0.75);
  check({"abcd"}, "Multi Choice", {"NO"}, "abce", 0, "chartqapro_relaxed_exact_mc");
  check({"x"}, "Factoid", json::array(), "x", 1);
}

TEST(DocumentRules, Mmlongbench) {
  const auto check = [](const char* id, const std::string& gold, const std::string& reply, const json& format,
                        double wanted) {
    expect(id, {{"answer", gold}, {"prediction", reply}, {"answer_format", format}}, wanted);
  };
  const char *vlm = "mmlongbench_eval_score", *lmms = "mmlongbench_eval_score_lmms";
  check(vlm, "12", "12.7", "Int", 1);
  check(vlm, "12", "twelve", "Int", 0);
  check(vlm, "0.5", "50%", "Float", 1);
  check(vlm, "3.14", "3.17", "Float", 1);
  check(vlm, "12 miles", "12", "Str", 0);  // the unit is not removed
  check(lmms, "12 miles", "12", "Str", 1);
  check(vlm, "page 3", "page 4", "Str", 0);
  check(vlm, "['b', 'a']", "['A', 'B']", "List", 1);
  check(vlm, "[a]", "['a']", "List", 0);  // eval raises
  check(vlm, "Not answerable", "Not answerable", nullptr, 1);
  check(vlm, "[]", "[]", "List", 0);
  check(lmms, "[]", "[]", "List", 1);
  check(lmms, "2", "Figure 2 shows 3", "Int", 1);
  check(lmms, "1000", "1e3", "Int", 0);
  check(lmms, "x", "Not answerable", "None", 1);
  check(lmms, "", "", "Str", 1);
  const json items = {{{"answer", "a"}, {"pred", "a"}, {"score", 1}},
                      {{"answer", "Not answerable"}, {"pred", "b"}, {"score", 1}},
                      {{"answer", "c"}, {"pred", "Not answerable"}, {"score", 0}}};
  expect("mmlongbench_f1", {{"items", items}}, 2 * 0.5 * 1.0 / 1.5);
  expect("mmlongbench_f1_official", {{"items", items}}, 0.5);
  expect("mmlongbench_f1", {{"items", json::array()}}, 0);
}

TEST(BoxRules, Overlaps) {
  expect("box_iou_xyxy", {{"a", {0, 0, 10, 10}}, {"b", {10, 0, 20, 10}}}, 0);
  expect("box_iou_xyxy", {{"a", {0, 0, 0, 0}}, {"b", {0, 0, 0, 0}}}, 0);
  expect("box_iou_xyxy", {{"a", {0, 0, 10, 10}}, {"b", {0, 0, 10, 5}}}, 0.5);
  const auto refcoco = [](const std::string& text, const json& box, double iou, int hit) {
    expect("refcoco_item", {{"prediction", text}, {"width", 2000}, {"height", 1000}, {"gt_xyxy", {200, 100, 400, 200}}},
           {{"pred", box}, {"iou", iou}, {"hit", hit}});
  };
  refcoco("[[100, 100, 200, 200]]", {200.0, 100.0, 400.0, 200.0}, 1, 1);
  refcoco("1 2 [0.1, 0.1, 0.2, 0.15]", {200.0, 100.0, 400.0, 150.0}, 0.5, 1);
  refcoco("x1: 100 y1 100", {2.0, 100.0, 2.0, 100.0}, 0, 0);  // labels are numbers too
  refcoco("[400, 200, 200, 1100]", {200.0, 200.0, 400.0, 1000.0}, 0, 0);
  refcoco("none", nullptr, 0, 0);
  expect("refcoco_lmms_parse", pred("[0.1,0.2, 0.3, 0.4]"), {0.1, 0.2, 0.3, 0.4});
  expect("refcoco_lmms_parse", pred("[.1, 0.2, 0.3, 0.4]"), {0.0, 0.0, 0.0, 0.0});
  expect("refcoco_macro_average", {{"hits_by_split", {{"a", {1, 0}}, {"b", {1}}}}}, 75);
  const json gold = {0, 0, 100, 100};
  expect("ref_l4_accuracy",
         {{"gt_pred_xyxy_pairs", {{gold, {0, 0, 100, 50}}, {gold, {0, 0, 100, 91}}, {gold, {100, 100, 0, 0}}}}},
         {{"acc50", 100.0 / 3}, {"acc75", 100.0 / 3}, {"acc90", 100.0 / 3}, {"macc", 30}});
  expect("treebench_iou", {{"text", "<box>[0,0,10,10] x</box><box>y [0,0,10,10]</box>"}, {"targets", {{0, 0, 10, 5}}}},
         0.5);
  expect("treebench_iou", {{"text", "<box>[0, 0, 10, 10]</box>"}, {"targets", json::array()}}, 0);
  expect("treebench_iou", {{"text", "<box>[0,0,10,10]</box>"}, {"targets", json::array()}}, 1);
}

TEST(PointRules, Geobench) {
  const auto parse = [](const std::string& text, const json& wanted) {
    expect("geobench_parse", {{"response", text}}, wanted);
  };
  const json paris = {{"country", "France"}, {"lat", 48.5}, {"lng", 2.25}};
  parse("country: France\nlat: 48.5\nlng: 2.25", paris);
  parse("I think\n**Country:** **France**\nso\nLat: 48.5\nLng:\n2.25\nend",
        {{"country", "**France"}, {"lat", 48.5}, {"lng", 2.25}});  // the first marks belong to the key
  parse("**Country**: **France**\nso\nLat: 48.5\nLng:\n2.25\nend", paris);
  parse(" country: France\nlat: 48.5\nlng: 2.25", nullptr);
  parse("country: France\nlat: 98.5\nlng: 2.25", nullptr);
  parse("country: France\nlat: 48.5°\nlng: 2.25", nullptr);
  expect("geobench_distance", {{"a", {0, 0}}, {"b", {0, 180}}}, 6371.0088 * M_PI);
  expect("geobench_points", {{"distance_km", 0.025}, {"scale_km", 2000}}, {{"points", 5000}, {"percent", 100.0}});
  expect("geobench_points", {{"distance_km", 1000}, {"scale_km", 2000}},
         {{"points", 2558}, {"percent", 51.16}});  // 5000·0.99866017^500
  expect("geobench_average", {{"scores", {5000, nullptr, 2500}}},
         {{"average", 3750.0}, {"percent", 75.0}, {"refusal_rate", 1.0 / 3}});
  expect("geobench_average", {{"scores", {nullptr}}},
         {{"average", nullptr}, {"percent", nullptr}, {"refusal_rate", 1.0}});
}

TEST(GroupRules, Aggregates) {
  const auto row = [](const std::string& gold, const std::string& text) {
    return json{{"index", 1}, {"g_index", 1}, {"GT", gold}, {"prediction", text}, {"A", "cat"}, {"B", "dog"}};
  };
  expect("mmbench_circular", {{"group", {row("A", "A"), row("B", "B")}}},
         {{"rule_hit", 1}, {"exact_matching_score", 1}});
  expect("mmbench_circular", {{"group", {row("A", "?"), row("B", "A")}}},
         {{"rule_hit", 0}, {"exact_matching_score", 0}});
  expect("mmbench_circular", {{"group", {row("A", "?"), row("B", "B")}}},
         {{"rule_hit", nullptr}, {"exact_matching_score", 0}});
  expect("hallusionbench_aggregate",
         {{"items",
           {{{"category", "VD"}, {"index", "VD_x_0_1_0_0"}, {"l2-category", "x"}, {"score", 1}},
            {{"category", "VS"}, {"index", "VS_x_0_1_0_1"}, {"l2-category", "x"}, {"score", 0}},
            {{"category", "VS"}, {"index", "VS_x_0_1_1_1"}, {"l2-category", "x"}, {"score", 1}}}}},
         {{"aAcc", 66.6667}, {"fAcc", 50.0}, {"qAcc", 50.0}});
  expect("dynamath_aggregate", {{"per_question", {{"1", {1, 1}}, {"2", {1, 0}}}}},
         {{"average", 0.75}, {"worst_case", 0.5}});
  expect("wemath_four_dim",
         {{"two_step", {{{"steps", {1, 1}}, {"multi", 0}}, {{"steps", {1, 0}}, {"multi", 1}}}},
          {"three_step", {{{"steps", {0, 0, 0}}, {"multi", 1}}, {{"steps", {1, 0, 1}}, {"multi", 0}}}}},
         {{"IG", 1},
          {"IK", 1},
          {"CM_loose", 1},
          {"CM_strict", 0},
          {"RM_loose", 1},
          {"RM_strict", 2},
          {"score_strict", 0.125},
          {"score_loose", 0.375}});
  expect("mmstar_l2_average",
         {{"items",
           {{{"l2_category", "a"}, {"question_id", 1}, {"score", 1}},
            {{"l2_category", "a"}, {"question_id", 2}, {"score", 1}},
            {{"l2_category", "b"}, {"question_id", 3}, {"score", 0}}}}},
         0.5);
  expect("cvbench_overall",
         {{"items",
           {{{"is_correct", true}, {"source", "ADE20K"}},
            {{"is_correct", 0}, {"source", "COCO"}},
            {{"is_correct", 1}, {"source", "Omni3D"}}}}},
         0.75);
  json items = json::array();
  for (int i = 0; i < 16; ++i)
    items.push_back(
        {{"domain", "x"}, {"duration", "short"}, {"score", i == 0 ? 1 : 0}, {"sub_category", "x"}, {"task_type", "x"}});
  items.push_back({{"domain", "x"}, {"duration", "long"}, {"score", -1}, {"sub_category", "x"}, {"task_type", "x"}});
  expect("videomme_by_duration", {{"items", items}},
         {{"short", 0.062}, {"medium", nullptr}, {"long", nullptr}, {"overall", 0.062}});
  expect("videommmu_overall", {{"perception", {1, 1}}, {"comprehension", {0, 0}}, {"adaptation", {1}}},
         {{"perception", 100.0}, {"comprehension", 0.0}, {"adaptation", 100.0}, {"overall", 60.0}});
  expect("motionbench_accuracy",
         {{"qa",
           {{{"uid", "1"}, {"answer", "A"}},
            {{"uid", 2}, {"answer", "NA"}},
            {{"uid", "3"}, {"answer", "NA"}},
            {{"uid", "4"}, {"answer", "B"}}}},
          {"model_answers", {{"1", "A"}, {"2", "B"}}}},
         {{"acc", 1.0 / 3}, {"right", 1}, {"total", 3}, {"answered", 2}});
  expect("motionbench_split", {{"text", "What?\nA. left\n(B) x\nB. right"}},
         {{"question", "What?"},
          {"options", {{{"label", "A"}, {"text", "left (B) x"}}, {{"label", "B"}, {"text", "right"}}}}});
  expect("motionbench_split", {{"text", "Q\nA.left\nB.right"}},
         {{"question", "Q"}, {"options", {{{"label", "A"}, {"text", "left B.right"}}}}});
  expect("mmbench_report",
         {{"items",
           {{{"category", "x"}, {"hit", 1}, {"l2-category", "logic_reasoning"}, {"split", "dev"}},
            {{"category", "y"}, {"hit", 0}, {"l2-category", "z"}, {"split", "dev"}}}}},
         {{"Overall", 0.5}, {"LR", 1.0}, {"z", 0.0}, {"x", 1.0}, {"y", 0.0}});
}

TEST(JudgeRules, Verdicts) {
  expect("chartmuseum_extract", pred("<answer> 3 "), "3");
  expect("chartmuseum_extract", pred("3"), "");
  expect("chartmuseum_verdict", {{"judge_reply", "as of yesterday"}}, 1);
  expect("chartmuseum_verdict", {{"judge_reply", "no"}}, 0);
  expect("vlm_judge_threshold80", {{"judge_reply", "\\boxed{80} \\boxed{9}"}}, {{"score", 80}, {"correct", true}});
  expect("vlm_judge_threshold80", {{"judge_reply", "\\boxed{ 80 }"}}, {{"score", nullptr}, {"correct", false}});
  expect("webvoyager_verdict", {{"judge_reply", "NOT SUCCESS"}}, 0);
  expect("webvoyager_verdict", {{"judge_reply", "SUCCESSFUL"}}, 1);
  expect("webvoyager_verdict", {{"judge_reply", "success"}}, nullptr);
  json samples = json::array();
  for (int i = 0; i < 20; ++i) samples.push_back({{"answered", i > 0}, {"correct", i > 9}});
  expect("glm_failed_sample_rule", {{"samples", samples}},
         {{"accuracy", 1000.0 / 19}, {"success_rate", 0.95}, {"reportable", true}});
}

TEST(AnswerRules, Boxes) {
  const auto boxes = [](const std::string& text, const json& wanted) {
    expect("glm_box_extract", {{"text", text}}, wanted);
  };
  const std::string begin = "<|begin_of_box|>", end = "<|end_of_box|>";
  boxes("\\boxed{ a \\boxed{b} } x \\boxed{c", {" a \\boxed{b} ", "c"});
  boxes("\\boxed{} " + begin + "1" + end, {""});
  boxes("\\boxed {1}" + begin + " 1 " + end, {"1"});
  boxes(end + begin + "a" + begin + "b" + end + "c" + end, {"a" + begin + "b" + end + "c"});
  boxes(begin + begin + "a" + end, json::array());
  boxes("\\boxed{a\\}", {"a\\"});  // an escaped brace counts
  boxes("", json::array());
  expect("glmv_answer", {{"text", "<think>\\boxed{1}</think> so " + begin + "2" + end + begin + "3" + end}}, "3");
  expect("glmv_answer", {{"text", "<think>never ends"}}, "");
  expect("without_reasoning_lmms", {{"text", "a<think>b</think>c</think> d "}}, "ac</think> d");
  expect("without_reasoning_lmms", {{"text", "b</think>c</think> d "}}, "d");
  expect("without_reasoning_lmms", {{"text", "<think>b"}}, "<think>b");
  expect("without_reasoning_vlmevalkit", {{"text", " b</think> c "}}, "c");
}

TEST(StrictRules, OnlyWhatIsGivenAsAnAnswer) {
  const auto choice = [](const std::string& text, const json& wanted) { expect("glmv_choice", infer(text), wanted); };
  for (const char* b : {"B", "(B)", "B.", "**B**", "Answer: B", "The answer is B.", "B. dog", "dog", "Dog.",
                        "<think>A</think>B", "<|begin_of_box|>B<|end_of_box|>", "\\boxed{B}", "<answer>B</answer>"})
    choice(b, "B");
  for (const char* none :
       {"", "b", "B or C", "the answer is a bird", "E", "I think B", "A big dog", "<think>B", "B. cat"})
    choice(none, nullptr);
  const auto equal_to = [](const std::string& text, const std::string& gold, bool wanted) {
    expect("glmv_equal", {{"prediction", text}, {"answer", gold}}, wanted);
  };
  equal_to("1,000", "1000", true);
  equal_to("1,00", "100", false);
  equal_to("50%", "50", false);
  equal_to("50%", "50 %", true);
  equal_to("Paris.", "paris", true);
  equal_to("", "", false);
  equal_to("it is 42", "42", false);
  equal_to("nan", "nan", false);
}

TEST(CodeRules, BlocksColoursAndPages) {
  const json hello = {{"text", "Hello world"}, {"bbox", {0.1, 0.1, 0.2, 0.1}}, {"color", {0, 0, 0}}};
  expect("design2code_blocks", {{"predicted_blocks", {hello}}, {"reference_blocks", {hello}}},
         {{"block", 1.0}, {"text", 1.0}, {"position", 1.0}, {"color", 1.0}, {"matched", 1}});
  expect("design2code_blocks", {{"predicted_blocks", json::array()}, {"reference_blocks", {hello}}},
         {{"block", 0.0}, {"text", 0.0}, {"position", 0.0}, {"color", 0.0}, {"matched", 0}});
  json first = hello, second = hello;
  first["text"] = "Hello", second["text"] = "world", second["bbox"] = {0.2, 0.1, 0.1, 0.1},
  first["bbox"] = {0.1, 0.1, 0.1, 0.1};
  expect("design2code_blocks", {{"predicted_blocks", {first, second}}, {"reference_blocks", {hello}}},
         {{"block", 1.0}, {"text", 1.0}, {"position", 1.0}, {"color", 1.0}, {"matched", 1}});  // merged
  expect("ciede2000_similarity", {{"rgb1", {7, 7, 7}}, {"rgb2", {7, 7, 7}}}, 1.0);
  EXPECT_NEAR(run("ciede2000_similarity", {{"rgb1", {0, 0, 0}}, {"rgb2", {255, 255, 255}}}).get<double>(), 0, 1e-4);
  expect_error("ciede2000_similarity", {{"rgb1", {0, 0, 300}}, {"rgb2", {0, 0, 0}}}, "300");
  expect("design2code_cleanup", {{"response", "```html\nx<!DOCTYPE html><p></html> tail```"}},
         "<!DOCTYPE html><p></html>");
  expect("design2code_cleanup", {{"response", "htmlx"}}, "x");
  expect("sequence_matcher_ratio", {{"a", ""}, {"b", ""}}, 1.0);
  expect("sequence_matcher_ratio", {{"a", "tide"}, {"b", "diet"}}, 0.25);
  expect("sequence_matcher_ratio", {{"a", "diet"}, {"b", "tide"}}, 0.5);  // not symmetric
  expect("pass_at_k", {{"n", 5}, {"c", 2}, {"k", 1}}, 0.4);
  expect("pass_at_k", {{"n", 5}, {"c", 3}, {"k", 3}}, 1.0);
  expect_error("pass_at_k", {{"n", 5}, {"c", 6}, {"k", 1}}, "c is 6");
}

TEST(AgentRules, Actions) {
  const auto android = [](const std::string& text, const json& wanted) {
    expect("androidworld_action_parse", {{"response", "<|begin_of_box|>" + text + "<|end_of_box|>"}}, wanted);
  };
  android("{\"action_type\": \"click\", \"box_2d\": [[007, 08, 100, 200]]}",
          {{"action_type", "click"}, {"box_2d", {{7, 8, 100, 200}}}});
  android("{'a': true, 'b': null, 'c': [1, 2,],}", {{"a", true}, {"b", nullptr}, {"c", {1, 2}}});
  android("click", nullptr);
  expect("androidworld_action_parse", {{"response", "{\"a\": 1}"}}, nullptr);
  const json gold = {{"action_type", "input_text"}, {"text", "hello"}, {"box_2d", {{0, 0, 10, 10}}}};
  json got = gold;
  got["text"] = "help";
  got["box_2d"] = {{0, 0, 10, 5}};
  expect("androidworld_step_reward", {{"ground_truth", gold}, {"predicted", gold}}, 1.0);
  expect("androidworld_step_reward", {{"ground_truth", gold}, {"predicted", got}}, 3.0 / 5 * 0.5);
  got["more"] = 1;
  expect("androidworld_step_reward", {{"ground_truth", gold}, {"predicted", got}}, 0.0);
  expect("androidworld_success_rate",
         {{"episodes", {{{"done", true}, {"success", 1}}, {{"done", false}, {"success", 1}}}}}, 0.5);
  const auto osworld = [](const std::string& text, const json& wanted) {
    expect("osworld_action_parse", {{"response", text}}, wanted);
  };
  osworld("left_click(start_box='[10, 20]', element_info='OK')",
          {{"action_type", "left_click"}, {"coordinates", {10, 20}}, {"element_info", "OK"}});
  osworld("left_drag(start_box='[1,2]', end_box='[3,4]')",
          {{"action_type", "left_drag"}, {"start_coordinates", {1, 2}}, {"end_coordinates", {3, 4}}});
  osworld("scroll(start_box='[1,2]', direction='down', step=5)",
          {{"action_type", "scroll"}, {"coordinates", {1, 2}}, {"direction", "down"}, {"step", 5}});
  osworld("type(content='it's')", nullptr);
  osworld("type(content='a[b')", nullptr);
  osworld("left_click(start_box='[1 ,2]')", {{"action_type", "left_click"}});
  osworld("<|begin_of_box|>left_click(start_box='[1,2]'<|end_of_box|>", {{"action_type", "left_click"}});
  osworld("<|begin_of_box|>WAIT<|end_of_box|>", nullptr);
  osworld("<|begin_of_box|>WAIT()\n<|end_of_box|>", nullptr);
  osworld("", nullptr);
  expect("osworld_mean_score", {{"task_scores", {1, 0, 0.5}}}, 50.0);
}

TEST(ScoringRules, BadInputIsOneClearError) {
  EXPECT_THROW(run("no_such_rule", json::object()), Error);
  expect_error("mc_can_infer", {{"prediction", 7}, {"choices", kAnimals}}, "prediction is 7, not a string");
  expect_error("mc_can_infer", {{"prediction", "x"}}, "choices is missing");
  expect_error("mc_can_infer", {{"prediction", "x"}, {"choices", {{"A", 1}}}}, "choices.A is 1");
  expect_error("mc_can_infer", json::array(), "not an object");
  expect_error("mc_can_infer", {{"prediction", "a\xff"}, {"choices", kAnimals}}, "not UTF-8");
  expect_error("box_iou_xyxy", {{"a", {0, 0, 1}}, {"b", {0, 0, 1, 1}}}, "four numbers");
  expect_error("box_iou_xyxy", {{"a", {0, 0, 1, "x"}}, {"b", {0, 0, 1, 1}}}, "a[3]");
  expect_error("refcoco_macro_average", {{"hits_by_split", {{"val", {2}}}}}, "hits_by_split.val[0] is 2");
  expect_error("hallusionbench_aggregate", {{"items", {{{"index", "a_b"}, {"l2-category", "x"}, {"score", 1}}}}},
               "a_b");
  expect_error("cvbench_overall", {{"items", {{{"is_correct", 1}, {"source", "KITTI"}}}}}, "KITTI");
  expect_error("mathvista_normalize_equal",
               {{"extraction", "x"},
                {"choices", nullptr},
                {"question_type", "multi_choice"},
                {"answer_type", "text"},
                {"precision", nullptr},
                {"answer", "x"}},
               "choices");
}

}  // namespace
}  // namespace glmv
