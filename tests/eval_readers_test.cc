// Readers of data sets: TSV as pandas writes it, base64, Python literals, JSON rows, conversions of cells, marks.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "data/clip.h"
#include "data/json_file.h"
#include "eval/answer.h"
#include "eval/benchmark.h"
#include "eval/media.h"
#include "eval/python_literal.h"
#include "eval/row_fields.h"
#include "eval/table.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;

class Readers : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(testing::TempDir()) / ("glmv-readers-" + std::to_string(::getpid()));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  std::string put(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ / name, std::ios::binary) << text;
    return (dir_ / name).string();
  }
  /// The message of the Error that `f` throws, or "".
  template <class F>
  static std::string error_of(const F& f) {
    try {
      f();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_input);
      return e.what();
    }
    return "";
  }
  fs::path dir_;
};

TEST_F(Readers, TsvCellsMayHoldTabsLineBreaksAndQuotes) {
  const TsvTable t = read_tsv(
      put("a.tsv", "Index\tquestion\tA\r\n1\t\"two\tcells\nand \"\"quotes\"\"\"\tx\r\n\n2\t\t\"\"\n3\tlast\ty"));
  EXPECT_EQ(t.columns, (std::vector<std::string>{"index", "question", "A"}));
  ASSERT_EQ(t.rows.size(), 3u);
  EXPECT_EQ(cell_text(t.rows[0][1]), "two\tcells\nand \"quotes\"");
  EXPECT_EQ(cell_text(t.rows[1][1]), "");
  EXPECT_EQ(cell_text(t.rows[1][2]), "");
  EXPECT_EQ(cell_text(t.rows[2][2]), "y");
}

TEST_F(Readers, TsvErrorsNameTheLine) {
  const auto error = [&](const std::string& text) { return error_of([&] { read_tsv(put("b.tsv", text)); }); };
  EXPECT_NE(error("a\tb\n1\t2\n1\n").find("line 3: 1 cells, the header has 2"), std::string::npos);
  EXPECT_NE(error("a\tb\n1\t\"x\n").find("line 2: a quoted cell has no end"), std::string::npos);
  EXPECT_NE(error("a\tb\n\"1\"x\t2\n").find("line 2: text behind"), std::string::npos);
  EXPECT_NE(error("a\tA\ta\n").find("column a is there twice"), std::string::npos);
  EXPECT_NE(error("").find("empty"), std::string::npos);
  EXPECT_NE(error("a\n\xff\n").find("not UTF-8: byte 2"), std::string::npos);
}

TEST_F(Readers, CellsOfMegabytesStayWhereTheyAre) {
  const std::string large(5 << 20, 'A');
  const TsvTable t = read_tsv(put("c.tsv", "index\timage\n1\t" + large + "\n"));
  EXPECT_EQ(t.rows[0][1].size(), large.size());
  EXPECT_EQ(t.rows[0][1].data(), t.file.text().data() + std::string("index\timage\n1\t").size())
      << "a slice of the mapping, no copy";
}

TEST(Base64, GoesThereAndBack) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(base64_decode(base64_encode(bytes), "x"), bytes);
    bytes += static_cast<char>(i * 37);
  }
  EXPECT_EQ(base64_encode("Man"), "TWFu");
  EXPECT_EQ(base64_encode("Ma"), "TWE=");
  EXPECT_EQ(base64_decode("TW\nE", "x"), "Ma") << "line breaks inside, no padding";
  EXPECT_ANY_THROW(base64_decode("TW!E", "x"));
  EXPECT_ANY_THROW(base64_decode("TWFuT", "x"));
}

TEST(PythonLiteral, IsReadAsPythonReadsIt) {
  const auto is = [](const char* text, const char* json) {
    const auto value = parse_python_literal(text);
    ASSERT_TRUE(value.has_value()) << text;
    EXPECT_EQ(*value, Json::parse(json)) << text;
  };
  is("['a', \"b's\", 'c\\'d']", R"(["a","b's","c'd"])");
  is("(1, -2.5, 1e3,)", "[1,-2.5,1000.0]");
  is("{'k': None, 'l': [True, False]}", R"({"k":null,"l":[true,false]})");
  is("('x')", R"("x")");
  is("('x',)", R"(["x"])");
  is("'''a\nb'''", R"("a\nb")");
  is("'\\u4e2d\\x41\\101\\n'", "\"\u4e2dAA\\n\"");
  is("'a' 'b'", R"("ab")");
  is(" [ ] ", "[]");
  for (const char* text : {"", "[", "['a'", "a", "[1 2]", "[1,,2]", "{'a'}", "{1: 2}", "'a\nb'", "__import__('os')",
                           "[050]x", "1 2", "[2, -2.5\xff\xff]", "[2, -2.5\xff\xff]", "'\\ud800'"})
    EXPECT_FALSE(parse_python_literal(text).has_value()) << text;
  EXPECT_FALSE(parse_python_literal(std::string(100, '[') + std::string(100, ']')).has_value()) << "too deep";
}

TEST_F(Readers, CellsBecomeValues) {
  const Json row = {{"options", "['A. one', 'B. two']"},
                    {"answer", "two"},
                    {"n", "7"},
                    {"bad", "x7"},
                    {"whole", 2.0},
                    {"half", 1.5},
                    {"index", 3000005},
                    {"m", {{"task", "t"}}}};
  const auto value = [&](const std::string& name, const std::string& as, const std::string& column) {
    Field choices{"choices", "options", "letters", {}, "", {}, false, {}},
        field{name, column, as, {}, "", {}, false, {}};
    return convert_row(row, {field, choices}, std::string(), "row 1")[name];
  };
  EXPECT_EQ(value("x", "letters", "options"), (Json{{"A", "one"}, {"B", "two"}}))
      << "letters of the data set's own are taken off";
  EXPECT_EQ(value("x", "option_text", "answer"), "B");
  EXPECT_EQ(value("x", "lettered", "answer"), "(B) two");
  EXPECT_EQ(value("x", "circular_group", "index"), 5);
  EXPECT_EQ(value("x", "text", "m.task"), "t");
  EXPECT_EQ(value("x", "integer", "n"), 7);
  EXPECT_EQ(value("x", "option_index", "whole"), "C") << "as pandas writes it beside an empty cell";
  EXPECT_NE(error_of([&] { value("x", "integer", "half"); }).find("half is 1.5, not an integer"), std::string::npos);
  EXPECT_NE(error_of([&] { value("x", "integer", "bad"); }).find("row 1: bad is \"x7\", not an integer"),
            std::string::npos);
  EXPECT_NE(error_of([&] { value("x", "text", "none"); }).find("none is missing"), std::string::npos);
  EXPECT_NE(error_of([&] { value("x", "option_text", "bad"); }).find("not one of the options"), std::string::npos);
}

TEST(Subtitles, KeepOnlyWhatIsSaid) {
  EXPECT_EQ(
      subtitle_text(
          "1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n12 monkeys\r\n\r\n2\n00:00:03,000 --> 00:00:04,000\nbye"),
      "Hello\n12 monkeys\nbye");
  EXPECT_EQ(subtitle_text(""), "");
}

TEST(Marks, StandAtCodePoints) {
  EXPECT_EQ(insert_marks("中文 text", {0, 2, 7}, "<image {n}>", "x"), "中文<image 2> text<image 3>");
  EXPECT_ANY_THROW(insert_marks("ab", {3}, "<image {n}>", "x"));
}

TEST(Question, PutsPicturesWhereTheTextNamesThem) {
  Manifest m;
  m.id = "m";
  m.marker = "<image {n}>";
  Frame frame;
  frame.parts = {{"{question}", "", Json::object()}};
  Sample sample{"s", {{"question", "a <image 2> b <image 1>"}}, std::vector<Medium>(3)};
  for (size_t i = 0; i < 3; ++i) sample.media[i].path = std::to_string(i);
  const Question q = question_of(m, frame, sample);
  std::string order;
  for (const Medium* medium : q.media) order += medium->path;
  EXPECT_EQ(order, "210") << "the picture that no mark names comes first";
  EXPECT_EQ(q.messages[0].content.size(), 5u);
  m.marker = "<image>";
  sample.values["question"] = "<image> and <image> and <image> and <image>";
  EXPECT_EQ(question_of(m, frame, sample).media.size(), 3u) << "a fourth mark stays text";
}

TEST(Reply, IsWhatEachToolkitLooksAt) {
  const std::string boxed =
      "<think>A? \\boxed{7}</think>\nIt is <|begin_of_box|>B<|end_of_box|> or <|begin_of_box|> C <|end_of_box|>.";
  EXPECT_EQ(reply_for_rule("answer", boxed), "C");
  EXPECT_EQ(reply_for_rule("box", "no box"), "");
  EXPECT_EQ(reply_for_rule("answer", "<think>x</think>\n plain "), "plain");
  EXPECT_EQ(reply_for_rule("answer", "<think>cut off B"), "") << "thinking that was cut off has no answer";
  EXPECT_EQ(reply_for_rule("whole", boxed), boxed);
  EXPECT_EQ(reply_for_rule("lmms_eval", "<think>x</think> y <analysis>z</analysis> "), "y");
  EXPECT_EQ(reply_for_rule("lmms_eval", "x</think>y"), "y");
  EXPECT_EQ(reply_for_rule("lmms_eval", "<think>x"), "<think>x");
  EXPECT_EQ(reply_for_rule("answer_tag", "<think>q</think><answer> b </answer>"), "B");
  EXPECT_EQ(reply_for_rule("after_think", "a</think>b</think> c"), "c");
}

TEST(Media, AVideoFileIsSampledByTheModelsRule) {
  Medium m;
  m.kind = Medium::Kind::video_file;
  m.path = m.name = GLMV_SOURCE_DIR "/tests/golden/clips/constant.mp4";
  const ImageConfig config = Processor::open(GLMV_SOURCE_DIR "/data/tiny/glm45v").video;
  Clip clip;
  try {
    clip = read_clip(m, config, 7);  // of folders
  } catch (const Error& e) {
    if (e.code() == ExitCode::no_device) GTEST_SKIP() << e.what();
    throw;
  }
  const Clip wanted = glmv::read_clip(m.path, config, std::nullopt);
  EXPECT_GT(clip.frames.size(), 0u);
  EXPECT_EQ(clip.seconds, wanted.seconds);
  ASSERT_EQ(clip.frames.size(), wanted.frames.size());
  for (size_t i = 0; i < wanted.frames.size(); ++i) EXPECT_EQ(clip.frames[i].rgb, wanted.frames[i].rgb) << i;
}

}  // namespace
}  // namespace glmv::eval
