// Stop strings: what is found and what is shown does not depend on where tokens begin and end.
#include "data/stop_strings.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "data/utf8.h"

namespace glmv {
namespace {

/// Text up to the stop string that is complete first, the slow and obvious way.
std::pair<std::string, std::string> expected(const std::string& text, const std::vector<std::string>& stops) {
  for (size_t end = 1; end <= text.size(); ++end) {
    std::string found;
    for (const std::string& stop : stops) {
      if (stop.size() > found.size() && text.substr(0, end).ends_with(stop)) found = stop;
    }
    if (!found.empty()) return {text.substr(0, end - found.size()), found};
  }
  return {text, ""};
}

TEST(StopStrings, AreFoundHoweverTheTextIsCut) {
  std::mt19937 random(5);
  const auto draw = [&](size_t n) { return static_cast<size_t>(random() % n); };
  const auto word = [&](size_t most) {
    std::string out(1 + draw(most), 'a');
    for (char& c : out) c = static_cast<char>('a' + draw(3));
    return out;
  };
  size_t found = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> stops(1 + draw(3));
    for (std::string& stop : stops) stop = word(5);
    const std::string text = word(12);
    StopStrings scanner(stops);
    std::string shown;
    for (size_t at = 0; at < text.size() && scanner.found().empty();) {
      const size_t piece = 1 + draw(4);
      shown += scanner.push(text.substr(at, piece));
      at += piece;
      // Nothing is shown that could still turn out to be a part of a stop string.
      ASSERT_TRUE(expected(text, stops).first.starts_with(shown)) << text;
    }
    shown += scanner.finish();
    ASSERT_EQ(std::make_pair(shown, scanner.found()), expected(text, stops)) << text;
    found += !scanner.found().empty();
  }
  EXPECT_GT(found, 5000u);
}

TEST(StopStrings, NothingIsHeldBackLongerThanNeeded) {
  StopStrings scanner({"END", "\n\n"});
  EXPECT_EQ(scanner.push("a\n"), "a");
  EXPECT_EQ(scanner.push("b E"), "\nb ");
  EXPECT_EQ(scanner.push("N"), "");
  EXPECT_EQ(scanner.push("x"), "ENx");
  EXPECT_EQ(scanner.push("yEN"), "y");
  EXPECT_EQ(scanner.push("DING"), "");
  EXPECT_EQ(scanner.found(), "END");
  EXPECT_EQ(scanner.push("more"), "");
  EXPECT_EQ(scanner.finish(), "");
}

/// The twin's tokens of single bytes cut every character that is not ASCII.
TEST(TextStream, CharactersStayWholeAndStopStringsAreFoundInTheirBytes) {
  const Tokenizer tokenizer = Tokenizer::open(GLMV_SOURCE_DIR "/data/tiny/glm45v");
  const std::string text = "caf\u00e9 \u5317\u4eac \U0001F600 done";
  const std::vector<int64_t> ids = tokenizer.encode(text);
  ASSERT_GT(ids.size(), 12u);
  for (const std::string stop : {"", "\u4eac", "\U0001F600 d", "\u00e9 "}) {
    TextStream stream(tokenizer, stop.empty() ? std::vector<std::string>{} : std::vector<std::string>{stop});
    std::string shown;
    for (const int64_t id : ids) {
      const std::string piece = stream.push(id);
      EXPECT_EQ(utf8_first_error(piece), std::string::npos);
      shown += piece;
    }
    shown += stream.finish();
    EXPECT_EQ(stream.stopped_by(), stop);
    EXPECT_EQ(shown, stop.empty() ? text : text.substr(0, text.find(stop)));
  }
  TextStream stream(tokenizer, {"x"});
  std::string cut;
  for (const int64_t id : tokenizer.encode("\u5317")) cut += stream.push(id);
  EXPECT_EQ(cut, "\u5317");
  const std::vector<int64_t> half = tokenizer.encode("\u5317");
  EXPECT_EQ(stream.push(half[0]), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
}

}  // namespace
}  // namespace glmv
