// Parsing generated text: thinking, answers, boxed results, picture boxes.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/chat.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using Strings = std::vector<std::string>;
using Boxes = std::vector<std::array<double, 4>>;

struct Case {
  std::string text, thinking, answer;
  bool closed = true;
};

void expect_parts(const std::vector<Case>& cases, bool thinking_in_prompt) {
  for (const Case& c : cases) {
    const Answer got = parse_answer(c.text, thinking_in_prompt);
    EXPECT_EQ(got.thinking, c.thinking) << c.text;
    EXPECT_EQ(got.answer, c.answer) << c.text;
    EXPECT_EQ(got.thinking_closed, c.closed) << c.text;
  }
}

TEST(Answer, Thinking) {
  expect_parts(
      {
          {"<think>a</think>b", "a", "b"},
          {"<think>\na\n</think>\nb\n", "a\n", "b\n"},
          {"<think>a</think>\n\nb", "a", "\nb"},
          {"a</think>b", "a", "b"},
          {"a</think>b<think>c", "a", "b<think>c"},
          {"<think></think>\nb", "", "b"},
          {"\n<think>a</think>b</think>c", "a", "b</think>c"},
          {"<think>a<think>b</think>c", "a<think>b", "c"},
          {"<think>cut off", "cut off", "", false},
          {"<think>", "", "", false},
          {"plain", "", "plain"},
          {"", "", ""},
      },
      false);
}

TEST(Answer, ThinkBlockClosedInThePrompt) {
  expect_parts(
      {
          {"b", "", "b"},
          {"\nb", "", "b"},
          {"the tag <think> opens", "", "the tag <think> opens"},
          {"the tag </think> closes", "", "the tag </think> closes"},
          {"\n<think>a</think>b", "a", "b"},  // a model that thinks all the same
      },
      true);
}

TEST(Answer, AnswerTags) {
  expect_parts(
      {
          {"<think>a</think><answer>b\nc</answer>", "a", "b\nc"},
          {"<think>a</think>\n<answer>\nb", "a", "b"},  // the closing tag was the stop token
          {"<answer>b</answer>c", "", "b"},
          {"<answer></answer>", "", ""},
          {"</answer>b", "", "</answer>b"},
          {"<think><answer>x</answer></think>b", "<answer>x</answer>", "b"},
      },
      false);
}

TEST(Answer, Boxed) {
  const std::string b = "<|begin_of_box|>", e = "<|end_of_box|>";
  const auto boxed = [](const std::string& text) { return parse_answer(text, false).boxed; };
  EXPECT_EQ(boxed("It is " + b + " 42\n" + e + "."), Strings{"42"});
  EXPECT_EQ(boxed(b + "1" + e + " or " + b + "2" + e), (Strings{"1", "2"}));
  EXPECT_EQ(boxed(b + "x" + b + "y" + e + "z" + e), Strings{"x" + b + "y" + e + "z"});
  EXPECT_EQ(boxed(b + "cut off"), Strings{});
  EXPECT_EQ(boxed(e + b + "1" + e + e), Strings{"1"});
  EXPECT_EQ(boxed("<think>" + b + "1" + e + "</think>" + b + "2" + e), Strings{"2"});
  EXPECT_EQ(boxed("<think>" + b + "1" + e), Strings{});
  EXPECT_EQ(boxed("\\boxed{ \\frac{1}{2} }"), Strings{"\\frac{1}{2}"});
  EXPECT_EQ(boxed("\\boxed{a\\boxed{b}c} {\\boxed{d}}"), (Strings{"a\\boxed{b}c", "d"}));
  EXPECT_EQ(boxed("\\boxed{a"), Strings{});
  EXPECT_EQ(boxed("}} \\boxed{a}"), Strings{"a"});
  EXPECT_EQ(boxed(b + "\\boxed{7}" + e), Strings{"7"});           // LaTeX first
  EXPECT_EQ(boxed(b + "8" + e + " \\boxed{open"), Strings{"8"});  // markers where there is no balanced one
  EXPECT_EQ(parse_answer(b + "8" + e, false).answer, b + "8" + e);
}

TEST(Boxes, AnyBracket) {
  const Boxes one = {{835, 626, 931, 883}};
  for (const char* text :
       {"[835,626,931,883]", "[[835, 626, 931, 883]]", "(835,626,931,883)", "<835,626,931,883>",
        "{835 , 626 ,\n931,883}", "at [0835,626.0,+931,883].", "835,626,931,883", " 835, 626, 931, 883\n",
        "The car is <|begin_of_box|>[835,626,931,883]<|end_of_box|>.",
        "The car is <|begin_of_box|>835,626,931,883<|end_of_box|>.", "{\"box_2d\": [[835,626,931,883]]}"}) {
    EXPECT_EQ(parse_boxes(text), one) << text;
  }
}

TEST(Boxes, Several) {
  const Boxes two = {{1, 2, 3, 4}, {5, 6, 7, 8.5}};
  for (const char* text : {"[[1,2,3,4],[5,6,7,8.5]]", "[1,2,3,4] and (5,6,7,8.5)", "[1,2,3,4],[5,6,7,8.5]",
                           "<|begin_of_box|>[[1,2,3,4], [5,6,7,8.5]]<|end_of_box|>"}) {
    EXPECT_EQ(parse_boxes(text), two) << text;
  }
  EXPECT_EQ(parse_boxes("[-1,2,3,4]"), (Boxes{{-1, 2, 3, 4}}));
}

TEST(Boxes, NotABox) {
  for (const std::string& text :
       {std::string(""), std::string("[1,2,3]"), std::string("[1,2,3,4,5]"), std::string("[1 2 3 4]"),
        std::string("[1,2,3,x]"), std::string("in 2020, 2021, 2022, 2023 it"), std::string("[[1,2],[3,4]]"),
        std::string("[1,2,3,4"
                    " or so"),
        std::string("[1e3,2,3,4]"), std::string("[x1,2,3,4]"), std::string("[1,2,3,4,]"), std::string("[,1,2,3,4]"),
        "[" + std::string(400, '9') + ",2,3,4]", "[1," + std::string(400, '9') + ",3,4]", std::string("[--1,2,3,4]")}) {
    EXPECT_EQ(parse_boxes(text), Boxes{}) << text;
  }
}

TEST(Boxes, LongInputIsLinear) {
  EXPECT_EQ(parse_boxes(std::string(2'000'000, '7')), Boxes{});
  std::string row = "[";
  for (int i = 0; i < 500'000; ++i) row += "1,";
  EXPECT_EQ(parse_boxes(row), Boxes{});
}

TEST(Boxes, Pixels) {
  EXPECT_EQ(box_to_pixels({0, 0, 1000, 1000}, 1920, 1080), (std::array<double, 4>{0, 0, 1920, 1080}));
  EXPECT_EQ(box_to_pixels({835, 626, 931, 883}, 1000, 500), (std::array<double, 4>{835, 313, 931, 441.5}));
  EXPECT_THROW(box_to_pixels({0, 0, 1, 1}, 0, 10), Error);
  EXPECT_THROW(box_to_pixels({0, 0, 1, 1}, 10, -1), Error);
}

}  // namespace
}  // namespace glmv
