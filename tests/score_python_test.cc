// The functions that stand for Python's, on answers that CPython gave (tests/eval/compare_python.py makes the file and
// compares far more), and on what the toolkits' rules trip over.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <utility>

#include "eval/algorithms.h"
#include "eval/assignment.h"
#include "tests/eval/python_functions.h"

namespace glmv {
namespace {

using nlohmann::json;

std::vector<json> lines_of(const std::string& name) {
  std::ifstream in(std::string(GLMV_SOURCE_DIR) + "/tests/eval/" + name);
  std::vector<json> out;
  for (std::string line; std::getline(in, line);) out.push_back(json::parse(line));
  return out;
}

TEST(PythonFunctions, AnswerAsCPythonDid) {
  const auto cases = lines_of("python_cases.jsonl");
  ASSERT_GT(cases.size(), 400u);
  for (const json& c : cases) {
    const auto id = c.at("id").get<std::string>();
    const json got =
        id.starts_with("py:") ? call_python_function(id.substr(3), c.at("input")) : run_algorithm(id, c.at("input"));
    const bool both_numbers = id == "py:eval" && got.is_string() && c.at("output").is_string();
    if (both_numbers) {
      EXPECT_EQ(py::to_float(got.get<std::string>()), py::to_float(c.at("output").get<std::string>())) << c;
    } else {
      EXPECT_EQ(got, c.at("output")) << c;
    }
  }
}

TEST(PythonText, WhiteSpaceIsASetOf29CodePoints) {
  int spaces = 0;
  for (char32_t c = 0; c < 0x110000; ++c) spaces += py::is_space(c) ? 1 : 0;
  EXPECT_EQ(spaces, 29);
  EXPECT_EQ(py::strip("\u3000\u0085x\u2028"), "x");
  EXPECT_EQ(py::strip("\u200bx"), "\u200bx");
  EXPECT_EQ(py::split(" a\u00a0b  c "), (py::Views{"a", "b", "c"}));
  EXPECT_EQ(py::split(" a ", " "), (py::Views{"", "a", ""}));
}

TEST(PythonText, CaseMappingsAreFull) {
  EXPECT_EQ(py::lower("ẞ"), "ß");
  EXPECT_EQ(py::lower("ß"), "ß");
  EXPECT_EQ(py::upper("ßŉﬁ"), "SSʼNFI");
  EXPECT_EQ(py::lower("ΟΔΟΣ ΣΑ"), "οδος σα");
  EXPECT_EQ(py::lower("İ"), "i\u0307");
  EXPECT_EQ(py::length("weiß"), 4u);
  EXPECT_EQ(py::length(py::upper("weiß")), 5u);
}

TEST(PythonText, EmptyAndHugeTexts) {
  EXPECT_EQ(py::split("", " "), (py::Views{""}));
  EXPECT_TRUE(py::split("").empty());
  EXPECT_EQ(py::tail("abc", 7), "");
  const std::string huge(1 << 20, 'x');
  EXPECT_EQ(py::upper(huge).size(), huge.size());
  EXPECT_EQ(py::replace(huge, "x", "").size(), 0u);
}

TEST(PythonNumbers, DigitsAre660CodePoints) {
  int digits = 0;
  for (char32_t c = 0; c < 0x110000; ++c) digits += py::digit_value(c) >= 0 ? 1 : 0;
  EXPECT_EQ(digits, 660);
  EXPECT_EQ(py::to_float("１２.５"), 12.5);
  EXPECT_EQ(py::to_int("٣٤"), "34");
}

TEST(PythonNumbers, WhatFloatAndIntTake) {
  EXPECT_EQ(py::to_float(" 1_000 "), 1000);
  EXPECT_EQ(py::to_float("5."), 5);
  EXPECT_EQ(py::to_float("-.5"), -0.5);
  EXPECT_TRUE(std::isinf(py::to_float("1e400").value()));
  EXPECT_TRUE(std::isnan(py::to_float("-NaN").value()));
  for (const char* refused : {"", "1__0", "_1", "1_", "½", "²", "1,000", "0x10", "50%", "1e", "+-1", "infin", "1 2"})
    EXPECT_FALSE(py::to_float(refused)) << refused;
  for (const char* refused : {"5.", "1e3", "inf", "", "1.0"}) EXPECT_FALSE(py::to_int(refused)) << refused;
  EXPECT_EQ(py::to_int("-007"), "-7");
  EXPECT_EQ(py::to_int(std::string(4300, '9')), std::string(4300, '9'));
  EXPECT_FALSE(py::to_int(std::string(4301, '9')));
}

TEST(PythonNumbers, RoundingIsOfTheBinaryValueAndHalvesToEven) {
  EXPECT_EQ(py::round(2.675, 2), 2.67);
  EXPECT_EQ(py::round(0.125, 2), 0.12);
  EXPECT_EQ(py::round(1.005, 2), 1.0);
  EXPECT_EQ(py::repr(py::round(-0.001, 2)), "-0.0");
  EXPECT_EQ(py::fixed(0.0625, 3), "0.062");
  EXPECT_EQ(py::round(2.5), 2);
  EXPECT_EQ(py::round(15.0, -1), 20);
  EXPECT_EQ(py::round(25.0, -1), 20);
  EXPECT_EQ(py::repr(1e16), "1e+16");
  EXPECT_EQ(py::repr(9999999999999998.0), "9999999999999998.0");
  EXPECT_EQ(py::repr(1e-5), "1e-05");
  EXPECT_EQ(py::repr(1e-4), "0.0001");
}

TEST(PythonRegex, ClassesAndBoundariesAreUnicode) {
  EXPECT_FALSE(py::Regex(R"(\bB)").search("答案是B"));
  EXPECT_TRUE(py::Regex(R"(\bB)").search("B。"));
  EXPECT_TRUE(py::Regex(R"(^\d+$)").search("３٤\n"));
  EXPECT_FALSE(py::Regex("[A-F]").search("Ａ"));
  EXPECT_FALSE(py::Regex("[A-F]", py::kIgnoreCase).search("Ａ"));
  EXPECT_TRUE(py::Regex("k", py::kIgnoreCase).search("\u212a"));
  EXPECT_TRUE(py::Regex("[a-z]", py::kIgnoreCase).search("ı"));
  EXPECT_TRUE(py::Regex(R"(\s)").search("\x1c"));
  EXPECT_FALSE(py::Regex(R"(\s)").search("\u200b"));
  EXPECT_FALSE(py::Regex("a.b").search("a\nb"));
  EXPECT_TRUE(py::Regex("a.b", py::kDotAll).search("a\nb"));
  EXPECT_TRUE(py::Regex(R"(x\Z)").search("x"));
  EXPECT_FALSE(py::Regex(R"(x\Z)").search("x\n"));
  EXPECT_EQ(py::Regex("x*").replace("axb", "-"), "-a--b-");
}

TEST(PythonRegex, APatternThatRunsAwayIsAnError) {
  const py::Regex regex(R"((?:a|aa)+$)");
  try {
    regex.search(std::string(5000, 'a') + "!");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_input);
    EXPECT_NE(std::string(e.what()).find("(?:a|aa)+$"), std::string::npos) << e.what();
  }
}

/// The textbook's table, for texts of one byte per character.
size_t slow_distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t corner = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t best = std::min({row[j] + 1, row[j - 1] + 1, corner + (a[i - 1] == b[j - 1] ? 0 : 1)});
      corner = std::exchange(row[j], best);
    }
  }
  return row.back();
}

TEST(EditDistance, LongTextsSpanSeveralWords) {
  uint32_t state = 1;
  const auto text = [&](size_t n) {
    std::string out;
    for (size_t i = 0; i < n; ++i) out += static_cast<char>('a' + ((state = state * 1664525u + 1013904223u) >> 24) % 3);
    return out;
  };
  for (const size_t n : {1u, 63u, 64u, 65u, 127u, 128u, 129u, 300u}) {
    for (const size_t m : {1u, 64u, 100u, 257u}) {
      const std::string a = text(n), b = text(m);
      EXPECT_EQ(edit_distance(a, b), slow_distance(a, b)) << n << ' ' << m;
    }
  }
}

TEST(Assignment, TiesGiveTheIdentity) {
  using Pairs = std::vector<std::pair<size_t, size_t>>;
  EXPECT_EQ(cheapest_assignment({3, 3, std::vector<double>(9, 1)}), (Pairs{{0, 0}, {1, 1}, {2, 2}}));
  EXPECT_EQ(cheapest_assignment({3, 2, {0, 1, 1, 0, 5, 5}}), (Pairs{{0, 0}, {1, 1}}));
  EXPECT_EQ(cheapest_assignment({2, 2, {1, 2, 0, 9}}), (Pairs{{0, 1}, {1, 0}}));
}

TEST(PythonLiterals, BytesThatAreNotUtf8AreNone) {
  for (const char* text : {"'\xff'", "[1, \xc3(]", "\xed\xa0\x80"}) {
    EXPECT_FALSE(py::literal(text)) << text;
    EXPECT_FALSE(py::evaluate(text)) << text;
  }
  EXPECT_TRUE(py::literal("'\xc3\xa9'"));
}

TEST(PythonLiterals, NestingHasALimit) {
  EXPECT_FALSE(py::literal(std::string(5000, '[') + std::string(5000, ']')));
  EXPECT_FALSE(py::evaluate(std::string(100000, '(')));
  EXPECT_FALSE(py::evaluate(std::string(100000, '-') + "1"));
  EXPECT_TRUE(py::literal(std::string(50, '[') + std::string(50, ']')));
}

}  // namespace
}  // namespace glmv
