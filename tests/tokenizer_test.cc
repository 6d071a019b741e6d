// The tokenizer against recordings of the tokenizers library (tests/golden/tokenizer), and against hostile files.
#include "data/tokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/bpe.h"
#include "data/checkpoint.h"
#include "data/split_regex.h"
#include "data/utf8.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using Json = nlohmann::json;
using Ids = std::vector<int64_t>;
using namespace std::string_literals;

const std::string kDir = std::string(GLMV_SOURCE_DIR) + "/data/tiny/glm45v";

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  return {std::istreambuf_iterator<char>(in), {}};
}

const std::string& tiny_text() {
  static const std::string text = read(kDir + "/tokenizer.json");
  return text;
}
const Json& tiny_json() {
  static const Json json = Json::parse(tiny_text());
  return json;
}
const Tokenizer& tiny() {
  static const Tokenizer tokenizer = Tokenizer::open(kDir);
  return tokenizer;
}
const Json& golden() {
  static const Json json = Json::parse(read(std::string(GLMV_SOURCE_DIR) + "/tests/golden/tokenizer/golden.json"));
  return json;
}

std::string streamed(const Tokenizer& tokenizer, const Ids& ids) {
  StreamDecoder stream(tokenizer);
  std::string text;
  for (const int64_t id : ids) {
    text += stream.push(id);
    EXPECT_EQ(utf8_first_error(text), std::string::npos);
  }
  return text + stream.finish();
}

void expect_encodings(const Tokenizer& tokenizer, const Json& cases) {
  for (const Json& c : cases) {
    const auto text = c[0].get<std::string>();
    const Ids ids = tokenizer.encode(text);
    EXPECT_EQ(ids, c[1].get<Ids>()) << c[0].dump();
    EXPECT_EQ(streamed(tokenizer, ids), tokenizer.decode(ids)) << c[0].dump();
  }
}

void expect_decodings(const Tokenizer& tokenizer, const Json& cases) {
  for (const Json& c : cases) {
    const Ids ids = c[0].get<Ids>();
    const bool skip = c[1].get<bool>();
    EXPECT_EQ(tokenizer.decode(ids, skip), c[2].get<std::string>()) << c[0].dump() << " skip " << skip;
    if (skip) continue;
    EXPECT_EQ(streamed(tokenizer, ids), c[2].get<std::string>()) << c[0].dump();
  }
}

// --- the recordings ---

TEST(Tokenizer, GoldenBelongsToThisFile) {
  EXPECT_EQ(sha256_hex(tiny_text().data(), tiny_text().size()), golden()["sha256"])
      << "run tests/golden/tokenizer/make_tokenizer_golden.py again";
}

TEST(Tokenizer, EncodesLikeTheLibrary) {
  ASSERT_GT(golden()["encode"].size(), 900u);
  expect_encodings(tiny(), golden()["encode"]);
}

TEST(Tokenizer, TextComesBack) {
  for (const Json& c : golden()["encode"]) {
    const auto text = c[0].get<std::string>();
    EXPECT_EQ(tiny().decode(tiny().encode(text)), text);
  }
}

TEST(Tokenizer, DecodesLikeTheLibrary) {
  ASSERT_GE(golden()["decode"].size(), 200u);
  expect_decodings(tiny(), golden()["decode"]);
}

TEST(Tokenizer, VariantsLikeTheLibrary) {
  ASSERT_GE(golden()["variants"].size(), 6u);
  for (const Json& variant : golden()["variants"]) {
    SCOPED_TRACE(variant["name"].get<std::string>());
    Json document = tiny_json();
    document.merge_patch(variant["patch"]);
    const Tokenizer tokenizer = Tokenizer::parse(document.dump(), "variant");
    expect_encodings(tokenizer, variant["encode"]);
    expect_decodings(tokenizer, variant["decode"]);
  }
}

/// Every code point: letters, numbers and blanks of the library's Unicode, not of PCRE2's.
TEST(Tokenizer, CharacterClassesLikeTheLibrary) {
  for (const auto& [name, ranges] : golden()["classes"].items()) {
    const SplitRegex regex = SplitRegex::compile(name, "test");
    const SplitRegex inside = SplitRegex::compile("[^\\r" + name + "]|\\r", "test");  // the class inside a class
    std::string members, others;
    char32_t next = 0;
    const auto fill = [&](std::string& text, char32_t end) {
      for (; next < end; ++next) {
        if ((next < 0xD800 || next > 0xDFFF) && next != '\r') utf8_append(next, text);
      }
    };
    size_t member_count = 0;
    for (const Json& range : ranges) {
      fill(others, range[0].get<char32_t>());
      member_count += range[1].get<char32_t>() - range[0].get<char32_t>() + 1;
      fill(members, range[1].get<char32_t>() + 1);
    }
    fill(others, 0x110000);
    if (name == "\\s") --member_count;  // CR was left out
    std::vector<std::string_view> pieces;
    regex.split(members, pieces);
    EXPECT_EQ(pieces.size(), member_count) << name;
    inside.split(members, pieces);
    EXPECT_EQ(pieces.size(), 1u) << name;
    regex.split(others, pieces);
    EXPECT_EQ(pieces.size(), 1u) << name;
  }
}

// --- the interface ---

TEST(Tokenizer, NamesAndFlags) {
  const int64_t user = tiny().id_of("<|user|>"), think = tiny().id_of("<think>");
  EXPECT_GT(user, 0);
  EXPECT_TRUE(tiny().is_special(user));
  EXPECT_FALSE(tiny().is_special(think));
  EXPECT_EQ(tiny().token_bytes(user), "<|user|>");
  EXPECT_EQ(tiny().token_bytes(tiny().id_of("Ġt")), " t");
  EXPECT_EQ(tiny().decode({user, think, user}, true), "<think>");
  const auto size = static_cast<int64_t>(tiny_json()["model"]["vocab"].size() + tiny_json()["added_tokens"].size());
  EXPECT_EQ(tiny().size(), size);
  for (const int64_t id : {int64_t{-1}, size, int64_t{1} << 40, INT64_MIN, INT64_MAX}) {
    EXPECT_EQ(tiny().token_bytes(id), "") << id;
    EXPECT_EQ(tiny().decode({id}), "") << id;
    EXPECT_FALSE(tiny().is_special(id)) << id;
  }
  EXPECT_EQ(tiny().id_of("no such token"), -1);
  EXPECT_EQ(tiny().id_of(" t"), -1);
  EXPECT_EQ(tiny().id_of("\xFF"), -1);
}

TEST(Tokenizer, RefusesTextThatIsNotUtf8) {
  for (const auto& [text, offset] : std::vector<std::pair<std::string, std::string>>{{"ab\xFF", "byte 2 "},
                                                                                     {"\xC3", "byte 0 "},
                                                                                     {"a\xED\xA0\x80", "byte 1 "},
                                                                                     {"\xF4\x90\x80\x80", "byte 0 "},
                                                                                     {"é\xC0\x80", "byte 2 "}}) {
    try {
      tiny().encode(text);
      ADD_FAILURE() << "accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_input);
      EXPECT_NE(std::string(e.what()).find(offset), std::string::npos) << e.what();
    }
  }
}

/// What Rust's from_utf8_lossy gives: one U+FFFD for every maximal ill-formed part.
TEST(Tokenizer, LossyDecodingByMaximalParts) {
  const std::string r = "\uFFFD";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"\xF0\x9F\x98", r},
      {"\xF0\x9F"
       "A",
       r + "A"},
      {"\xE2\x82\xE2\x82\xAC", r + "€"},
      {"\xC0\xAF", r + r},
      {"\xED\xA0\x80", r + r + r},
      {"\xE0\x80\x80", r + r + r},
      {"\xF4\x90\x80", r + r + r},
      {"\xF5\x80", r + r},
      {"\x80"
       "a\xBF",
       r + "a" + r},
      {"\xF1\x80\x80\xF1\x80", r + r},
      {"a\0b"s, "a\0b"s},
  };
  for (const auto& [bytes, expected] : cases) {
    std::string text;
    EXPECT_EQ(utf8_append_lossy(bytes, true, text), bytes.size());
    EXPECT_EQ(text, expected);
  }
}

TEST(Tokenizer, StreamHoldsBackAnIncompleteTail) {
  StreamDecoder stream(tiny());
  const Ids ids = tiny().encode("😀");
  ASSERT_EQ(ids.size(), 4u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(stream.push(ids[i]), "");
  EXPECT_EQ(stream.push(ids[3]), "😀");
  EXPECT_EQ(stream.push(ids[0]), "");
  EXPECT_EQ(stream.finish(), "\uFFFD");
  EXPECT_EQ(stream.finish(), "");
}

/// A million equal bytes in one piece: quadratic merging would take hours.
TEST(Tokenizer, LongPieces) {
  for (const char c : {'a', ' ', '\n', '!', '<'}) {
    const std::string text(1'000'000, c);
    EXPECT_EQ(tiny().decode(tiny().encode(text)), text);
  }
}

/// The heap against the definition: join the leftmost pair of lowest rank until none is left.
TEST(Bpe, MergesByRankThenFromTheLeft) {
  Bpe bpe(false);
  const std::vector<std::string> words = {"ab", "ba", "aa", "aab", "bab", "abab", "aaa"};
  for (int b = 0; b < 256; ++b) bpe.add(std::string(1, static_cast<char>(b)), b);
  for (size_t i = 0; i < words.size(); ++i) bpe.add(words[i], static_cast<TokenId>(300 - i));
  std::vector<std::pair<std::string, std::string>> merges;
  for (const std::string& word : words) {
    for (size_t cut = 1; cut < word.size(); ++cut) merges.emplace_back(word.substr(0, cut), word.substr(cut));
  }
  std::erase_if(merges,
                [&](const auto& m) { return bpe.id_of(m.first) == kNoToken || bpe.id_of(m.second) == kNoToken; });
  for (uint32_t i = 0; i < merges.size(); ++i) {
    const auto& [a, b] = merges[i];
    bpe.add_merge(bpe.id_of(a), bpe.id_of(b), {i, bpe.id_of(a + b)});
  }
  const auto by_definition = [&](const std::string& piece) {
    std::vector<std::string> parts;
    for (const char c : piece) parts.emplace_back(1, c);
    for (size_t m = 0; m < merges.size();) {
      size_t i = 0;
      while (i + 1 < parts.size() && std::pair(parts[i], parts[i + 1]) != merges[m]) ++i;
      if (i + 1 >= parts.size()) {
        ++m;
        continue;
      }
      parts[i] += parts[i + 1];
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      m = 0;
    }
    return parts;
  };
  for (int bits = 0; bits < 4096; ++bits) {
    std::string piece;
    for (int k = 0; k < 12; ++k) piece += (bits >> k) & 1 ? 'a' : 'b';
    Bpe::Scratch scratch;
    Ids ids;
    bpe.encode(piece, scratch, ids);
    std::vector<std::string> parts;
    for (const int64_t id : ids) parts.push_back(*bpe.bytes_of(static_cast<TokenId>(id)));
    EXPECT_EQ(parts, by_definition(piece)) << piece;
  }
}

// --- hostile and unusual files ---

struct Hostile {
  std::string name;
  std::function<void(Json&)> change;
  ExitCode code;
  std::string says;  ///< what the message must contain
};

Json added(const std::string& content, int64_t id) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", false}};
}
Json& split_of(Json& j) { return j["pre_tokenizer"]["pretokenizers"][0]; }
void set_regex(Json& j, const std::string& regex) { split_of(j)["pattern"]["Regex"] = regex; }

const std::vector<Hostile>& hostile_files() {
  constexpr ExitCode kUsage = ExitCode::usage, kBad = ExitCode::bad_input;
  const Json& model = tiny_json()["model"];
  const auto first_added = static_cast<int64_t>(model["vocab"].size());
  const auto next = first_added + static_cast<int64_t>(tiny_json()["added_tokens"].size());
  const std::string next_text = std::to_string(next);
  const std::string merges_end = "merges[" + std::to_string(model["merges"].size()) + "]";
  const std::string word = model["merges"][0][0].get<std::string>() + model["merges"][0][1].get<std::string>();
  static const std::vector<Hostile> files = {
      {"normalizer",
       [](Json& j) {
         j["normalizer"] = {{"type", "NFC"}};
       },
       kUsage, "normalizer is \"NFC\""},
      {"unknown stage", [](Json& j) { j["new_stage"] = 1; }, kUsage, "new_stage"},
      {"version", [](Json& j) { j["version"] = "2.0"; }, kUsage, "version is \"2.0\""},
      {"model type", [](Json& j) { j["model"]["type"] = "Unigram"; }, kUsage, "model is \"Unigram\""},
      {"dropout", [](Json& j) { j["model"]["dropout"] = 0.1; }, kUsage, "model.dropout is 0.1"},
      {"prefix", [](Json& j) { j["model"]["continuing_subword_prefix"] = "##"; }, kUsage,
       "continuing_subword_prefix is \"##\""},
      {"decoder",
       [](Json& j) {
         j["decoder"] = {{"type", "WordPiece"}};
       },
       kUsage, "decoder is \"WordPiece\""},
      {"no decoder", [](Json& j) { j["decoder"] = nullptr; }, kUsage, "decoder is null"},
      {"no pre-tokenizer", [](Json& j) { j.erase("pre_tokenizer"); }, kUsage, "pre_tokenizer is null"},
      {"other pre-tokenizer",
       [](Json& j) {
         split_of(j) = {{"type", "Digits"}};
       },
       kUsage, "pretokenizers[0] is \"Digits\""},
      {"one pre-tokenizer", [](Json& j) { j["pre_tokenizer"]["pretokenizers"].erase(1); }, kUsage, "an array of 1"},
      {"behaviour", [](Json& j) { split_of(j)["behavior"] = "Removed"; }, kUsage, "behavior is \"Removed\""},
      {"invert", [](Json& j) { split_of(j)["invert"] = true; }, kUsage, "invert is true"},
      {"pattern kind",
       [](Json& j) {
         split_of(j)["pattern"] = {{"String", " "}};
       },
       kUsage, "String"},
      {"prefix space", [](Json& j) { j["pre_tokenizer"]["pretokenizers"][1].erase("add_prefix_space"); }, kUsage,
       "add_prefix_space"},
      {"second regex", [](Json& j) { j["pre_tokenizer"]["pretokenizers"][1]["use_regex"] = true; }, kUsage,
       "use_regex is true"},
      {"post-processor",
       [](Json& j) {
         j["post_processor"] = {{"type", "BertProcessing"}};
       },
       kUsage, "\"BertProcessing\""},
      {"post-processor adds",
       [](Json& j) {
         j["post_processor"] = {{"type", "TemplateProcessing"}, {"single", {{{"SpecialToken", {{"id", "<sop>"}}}}}}};
       },
       kUsage, "adds a special token"},
      {"lstrip", [](Json& j) { j["added_tokens"][0]["lstrip"] = true; }, kUsage, "added_tokens[0].lstrip is true"},
      {"regex construct", [](Json& j) { set_regex(j, "\\w+"); }, kUsage, "\\w at byte 0"},
      {"regex anchors", [](Json& j) { set_regex(j, "a$"); }, kUsage, "$ at byte 1"},
      {"regex nested class", [](Json& j) { set_regex(j, "[a[b]]"); }, kUsage, "[ at byte 2"},
      {"regex property", [](Json& j) { set_regex(j, "\\p{Han}"); }, kUsage, "\\p{Ha"},
      {"regex verb", [](Json& j) { set_regex(j, "(*UCP)a"); }, kUsage, "(*UC"},
      {"regex ignoring case", [](Json& j) { set_regex(j, "(?i:ss)"); }, kUsage, "(?i:"},
      {"regex unbalanced", [](Json& j) { set_regex(j, "(a"); }, kBad, "does not compile"},
      {"regex open class", [](Json& j) { set_regex(j, "[a"); }, kBad, "inside a character class"},
      {"regex backslash", [](Json& j) { set_regex(j, "a\\"); }, kBad, "backslash"},
      {"regex huge", [](Json& j) { set_regex(j, std::string(100'000, 'a')); }, kBad, "too many"},
      {"no model", [](Json& j) { j.erase("model"); }, kBad, "has no model"},
      {"no vocabulary", [](Json& j) { j["model"].erase("vocab"); }, kBad, "model has no vocab"},
      {"vocabulary is a list",
       [](Json& j) {
         j["model"]["vocab"] = Json::array({1, 2});
       },
       kBad, "vocab is an array of 2"},
      {"missing byte", [](Json& j) { j["model"]["vocab"].erase("a"); }, kBad, "no token for byte 97"},
      {"negative id", [](Json& j) { j["model"]["vocab"]["!"] = -1; }, kBad, "[\"!\"] is -1"},
      {"huge id", [](Json& j) { j["model"]["vocab"]["!"] = 4294967296; }, kBad, "is 4294967296"},
      {"largest id", [](Json& j) { j["model"]["vocab"]["!"] = 2147483647; }, kBad, "is 2147483647"},
      {"fractional id", [](Json& j) { j["model"]["vocab"]["!"] = 1.5; }, kBad, "is 1.5"},
      {"two tokens, one id", [](Json& j) { j["model"]["vocab"]["!"] = 7; }, kBad, "an id that another token has too"},
      {"merge of unknown",
       [](Json& j) {
         j["model"]["merges"].push_back({"Ġ", "Z"});
       },
       kBad, merges_end + " needs the token \"ĠZ\""},
      {"merge of three",
       [](Json& j) {
         j["model"]["merges"].push_back({"a", "b", "c"});
       },
       kBad, merges_end},
      {"merge without blank", [](Json& j) { j["model"]["merges"].push_back("ab"); }, kBad, "not two tokens"},
      {"merge with two blanks", [](Json& j) { j["model"]["merges"].push_back("a  b"); }, kBad, "not two tokens"},
      {"merge of numbers",
       [](Json& j) {
         j["model"]["merges"].push_back({1, 2});
       },
       kBad, "not two tokens"},
      {"merges is text", [](Json& j) { j["model"]["merges"] = "a b"; }, kBad, "merges is \"a b\", not an array"},
      {"empty added token", [=](Json& j) { j["added_tokens"].push_back(added("", next)); }, kBad, "content is empty"},
      {"added token twice", [=](Json& j) { j["added_tokens"].push_back(added("<think>", next)); }, kBad, "second time"},
      {"added id with a hole", [=](Json& j) { j["added_tokens"].push_back(added("HOLE", next + 104)); }, kBad,
       "but the tokenizers library numbers it " + next_text},
      {"added id of another", [](Json& j) { j["added_tokens"].push_back(added("NEW", 3)); }, kBad,
       "numbers it " + next_text},
      {"added token is a word", [=](Json& j) { j["added_tokens"].push_back(added(word, next)); }, kBad,
       "numbers it " + model["vocab"][word].dump()},
      {"added id is taken", [=](Json& j) { j["model"]["vocab"]["!"] = first_added; }, kBad,
       "also an id of the vocabulary"},
      {"added id is no number", [](Json& j) { j["added_tokens"][0]["id"] = "x"; }, kBad, "added_tokens[0].id is \"x\""},
      {"added token is no object", [](Json& j) { j["added_tokens"][3] = 7; }, kBad, "added_tokens[3] is 7"},
  };
  return files;
}

TEST(Tokenizer, RefusesHostileFiles) {
  for (const Hostile& hostile : hostile_files()) {
    SCOPED_TRACE(hostile.name);
    Json json = tiny_json();
    hostile.change(json);
    try {
      Tokenizer::parse(json.dump(), "some.json");
      ADD_FAILURE() << "accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), hostile.code) << e.what();
      EXPECT_NE(std::string(e.what()).find(hostile.says), std::string::npos) << e.what();
      EXPECT_TRUE(std::string(e.what()).starts_with("some.json")) << e.what();
    }
  }
}

TEST(Tokenizer, RefusesWhatIsNotJson) {
  const std::string deep(200'000, '[');
  for (const std::string& text :
       {""s, "{"s, "null"s, "[]"s, "{\"model\": \"\xFF\"}"s, deep, tiny_text().substr(0, tiny_text().size() / 2),
        deep + std::string(200'000, ']'), "{\"added_tokens\":" + deep + std::string(200'000, ']') + "}"}) {
    EXPECT_THROW(Tokenizer::parse(text, "some.json"), Error) << text.substr(0, 20);
  }
  EXPECT_THROW(Tokenizer::open("/no/such/directory"), Error);
}

/// A regex that backtracks without end is an error when it meets its text, not a hang.
TEST(Tokenizer, StopsARunawayRegex) {
  Json json = tiny_json();
  set_regex(json, "(?:a|aa|aaa)+[bd]");
  const Tokenizer tokenizer = Tokenizer::parse(json.dump(), "some.json");
  EXPECT_THROW(tokenizer.encode(std::string(5000, 'a')), Error);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("aaab and more")), "aaab and more");
}

TEST(Tokenizer, RegexThatMatchesNothingStillCutsEverywhere) {
  Json json = tiny_json();
  set_regex(json, "x*");
  const Tokenizer tokenizer = Tokenizer::parse(json.dump(), "some.json");
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("axxé你x")), "axxé你x");
}

}  // namespace
}  // namespace glmv
