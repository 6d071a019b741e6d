#include "data/tokenizer_json.h"

#include <algorithm>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>

#include "data/byte_level.h"
#include "data/utf8.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using Json = nlohmann::json;

/// A value for messages. Containers are only named: printing one recurses, and a hostile file may be deep.
std::string shown(const Json& value) {
  constexpr size_t kLongest = 60;
  if (value.is_array()) return concat("an array of ", value.size());
  if (value.is_object()) return concat("an object of ", value.size());
  if (!value.is_string()) return value.dump();
  const std::string& text = value.get_ref<const std::string&>();
  if (text.size() <= kLongest) return concat('"', text, '"');
  std::string beginning;
  utf8_append_lossy(std::string_view(text).substr(0, kLongest), false, beginning);
  return concat('"', beginning, "…\" (", text.size(), " bytes)");
}

/// One less than the type holds, so that there is always a next one.
bool is_id(const Json& value) {
  return value.is_number_unsigned() && value.get<uint64_t>() < std::numeric_limits<TokenId>::max();
}

/// A JSON value that knows where it stands in the file.
struct Node {
  const Json& json;
  std::string where;                 ///< "path: field"
  std::string_view separator = ".";  ///< between `where` and the name of a child

  Node at(const char* key) const {
    const Json* child = find(key);
    if (!child) input_error(where, " has no ", key);
    return {*child, child_name(key)};
  }
  /// Absent and null are the same to the library.
  bool has(const char* key) const {
    const Json* child = find(key);
    return child && !child->is_null();
  }
  Node at(size_t index) const { return {json[index], concat(where, '[', index, ']')}; }

  const Json& object() const { return expect(json.is_object(), "an object"); }
  const Json& array() const { return expect(json.is_array(), "an array"); }
  const std::string& string() const { return expect(json.is_string(), "a string").get_ref<const std::string&>(); }
  bool boolean(const char* key, bool absent) const { return has(key) ? at(key).boolean() : absent; }
  bool boolean() const { return expect(json.is_boolean(), "true or false").get<bool>(); }

  TokenId id() const {
    expect(is_id(json), "a token id below 2^31 - 1");
    return static_cast<TokenId>(json.get<uint64_t>());
  }

  void keys(std::initializer_list<std::string_view> known) const {
    for (const auto& [key, value] : object().items()) {
      if (std::find(known.begin(), known.end(), key) == known.end())
        usage_error(where, ": unknown key ", shown(Json(key)));
    }
  }

 private:
  const Json* find(const char* key) const {
    const auto found = object().find(key);
    return found == json.end() ? nullptr : &*found;
  }
  const Json& expect(bool holds, const char* what) const {
    if (!holds) input_error(where, " is ", shown(json), ", not ", what);
    return json;
  }
  std::string child_name(const char* key) const { return concat(where, separator, key); }
};

/// Refuses a stage of the wrong type by its name.
void expect_type(const Node& stage, std::string_view type) {
  const std::string& found = stage.at("type").string();
  if (found != type) usage_error(stage.where, " is ", shown(Json(found)), "; only ", type, " is understood here");
}

/// Refuses a setting that would change ids.
void expect_setting(const Node& stage, const char* key, bool wanted, bool absent) {
  if (stage.boolean(key, absent) != wanted) {
    usage_error(stage.where, '.', key, " is ", wanted ? "false" : "true", "; only the opposite is understood");
  }
}

// --- stages around the model ---

SplitRegex read_split(const Node& split) {
  expect_type(split, "Split");
  split.keys({"type", "pattern", "behavior", "invert"});
  const std::string& behavior = split.at("behavior").string();
  if (behavior != "Isolated")
    usage_error(split.where, ".behavior is ", shown(Json(behavior)), "; only Isolated is understood");
  expect_setting(split, "invert", false, false);
  const Node pattern = split.at("pattern");
  pattern.keys({"Regex"});
  const Node regex = pattern.at("Regex");
  return SplitRegex::compile(regex.string(), regex.where);
}

void check_byte_level(const Node& stage) {
  expect_type(stage, "ByteLevel");
  stage.keys({"type", "add_prefix_space", "trim_offsets", "use_regex"});
}

SplitRegex read_pre_tokenizer(const Node& root) {
  if (!root.has("pre_tokenizer")) usage_error(root.where, ": pre_tokenizer is null; Split and ByteLevel are expected");
  const Node sequence = root.at("pre_tokenizer");
  expect_type(sequence, "Sequence");
  sequence.keys({"type", "pretokenizers"});
  const Node stages = sequence.at("pretokenizers");
  if (stages.array().size() != 2)
    usage_error(stages.where, " is ", shown(stages.json), "; Split and ByteLevel are expected");
  SplitRegex regex = read_split(stages.at(size_t{0}));
  const Node bytes = stages.at(size_t{1});
  check_byte_level(bytes);
  expect_setting(bytes, "add_prefix_space", false, true);  // the library's defaults are the other way round
  expect_setting(bytes, "use_regex", false, true);
  return regex;
}

void check_normalizer(const Node& root) {
  if (!root.has("normalizer")) return;
  const Node stage = root.at("normalizer");
  usage_error(stage.where, " is ", shown(stage.at("type").json), "; only files without a normalizer are understood");
}

void check_decoder(const Node& root) {
  if (!root.has("decoder")) usage_error(root.where, ": decoder is null; only ByteLevel is understood here");
  check_byte_level(root.at("decoder"));
}

/// The template of a single text must be the text and nothing else.
void check_template(const Node& stage) {
  const Node single = stage.at("single");
  for (size_t i = 0; i < single.array().size(); ++i) {
    const Node item = single.at(i);
    if (item.object().contains("SpecialToken")) {
      usage_error(item.where, " adds a special token; the chat template writes those, here they would come twice");
    }
    item.keys({"Sequence"});
    const std::string& id = item.at("Sequence").at("id").string();
    if (single.json.size() != 1 || id != "A") usage_error(single.where, " is not just the text itself");
  }
}

void check_post_processor(const Node& stage) {
  const std::string& type = stage.at("type").string();
  if (type == "ByteLevel") return;  // moves offsets only
  if (type == "TemplateProcessing") return check_template(stage);
  if (type != "Sequence") usage_error(stage.where, " is ", shown(Json(type)), ", which is not understood");
  const Node stages = stage.at("processors");
  for (size_t i = 0; i < stages.array().size(); ++i) {
    const Node inner = stages.at(i);
    if (inner.at("type").json == "Sequence")
      usage_error(inner.where, " is a Sequence in a Sequence");  // no recursion on hostile depth
    check_post_processor(inner);
  }
}

// --- the model ---

void check_model_settings(const Node& model) {
  expect_type(model, "BPE");
  // unk_token, fuse_unk and byte_fallback only matter for a byte without a token, which read_vocab refuses.
  model.keys({"type", "dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix", "fuse_unk",
              "byte_fallback", "ignore_merges", "vocab", "merges"});
  if (model.has("dropout") && model.at("dropout").json != 0) {
    usage_error(model.where, ".dropout is ", shown(model.at("dropout").json), "; encoding by chance is not understood");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (!model.has(key) || model.at(key).string().empty()) continue;
    usage_error(model.where, '.', key, " is ", shown(model.at(key).json), "; only null is understood");
  }
}

void require_all_bytes(const Node& vocab, const Bpe& bpe) {
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    if (bpe.byte_id(static_cast<unsigned char>(b)) != kNoToken) continue;
    input_error(vocab.where, " has no token for byte ", b, " (", to_byte_level({&byte, 1}), "): text would be lost");
  }
}

/// False if the id is taken.
bool add_to_vocab(const std::string& token, TokenId id, TokenizerParts& parts) {
  if (parts.has_vocab_id(id)) return false;
  if (std::optional<std::string> bytes = from_byte_level(token)) return parts.bpe.add(std::move(*bytes), id);
  parts.odd_ids.insert(id);
  return parts.odd_tokens.emplace(token, id).second;
}

void read_vocab(const Node& vocab, TokenizerParts& parts) {
  for (const auto& [token, value] : vocab.object().items()) {
    const auto where = [&, &name = token] { return concat(vocab.where, '[', shown(Json(name)), ']'); };
    const TokenId id = is_id(value) ? static_cast<TokenId>(value.get<uint64_t>()) : Node{value, where()}.id();
    if (!add_to_vocab(token, id, parts)) input_error(where(), " is ", id, ", an id that another token has too");
  }
  require_all_bytes(vocab, parts.bpe);
}

/// The two halves of a merge, which is "a b" or ["a", "b"].
std::pair<std::string, std::string> read_halves(const Node& merges, size_t index) {
  const Json& merge = merges.json[index];
  if (merge.is_string()) {
    const std::string& text = merge.get_ref<const std::string&>();
    const size_t blank = text.find(' ');
    if (blank != std::string::npos && blank == text.rfind(' ')) return {text.substr(0, blank), text.substr(blank + 1)};
  } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return {merge[0].get<std::string>(), merge[1].get<std::string>()};
  }
  input_error(merges.at(index).where, " is ", shown(merge), ", not two tokens (\"a b\" or [\"a\", \"b\"])");
}

/// The line that old files took over from merges.txt; the library skips it.
bool is_header(const Json& merge) {
  return merge.is_string() && merge.get_ref<const std::string&>().starts_with("#version");
}

void read_merges(const Node& merges, Bpe& bpe) {
  const auto id_of = [&](const std::string& token, size_t index) {
    const std::optional<std::string> bytes = from_byte_level(token);
    const TokenId id = bytes ? bpe.id_of(*bytes) : kNoToken;
    if (id != kNoToken) return id;
    input_error(merges.at(index).where, " needs the token ", shown(Json(token)), ", which is not in the vocabulary");
  };
  uint32_t rank = 0;
  for (size_t i = 0; i < merges.array().size(); ++i) {
    if (is_header(merges.json[i])) continue;
    const auto [left, right] = read_halves(merges, i);
    bpe.add_merge(id_of(left, i), id_of(right, i), {rank++, id_of(left + right, i)});
  }
}

// --- added tokens ---

AddedToken read_added_token(const Node& entry) {
  entry.keys({"id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"});
  for (const char* flag : {"single_word", "lstrip", "rstrip"}) expect_setting(entry, flag, false, false);
  AddedToken token{entry.at("content").string(), entry.at("id").id(), entry.boolean("special", false), false};
  token.normalized = entry.boolean("normalized", !token.special);
  if (token.content.empty()) input_error(entry.where, ".content is empty");
  return token;
}

TokenId vocab_id(const std::string& token, const TokenizerParts& parts) {
  const auto odd = parts.odd_tokens.find(token);
  if (odd != parts.odd_tokens.end()) return odd->second;
  const std::optional<std::string> bytes = from_byte_level(token);
  return bytes ? parts.bpe.id_of(*bytes) : kNoToken;
}

/// The library ignores the ids in the file and numbers on its own. A file where the two differ contradicts itself:
/// the model was trained with one numbering, the library uses the other.
void read_added_tokens(const Node& entries, TokenizerParts& parts) {
  const auto vocab_size = static_cast<TokenId>(parts.bpe.size() + parts.odd_tokens.size());
  TokenId next = vocab_size;
  std::unordered_set<std::string> seen;
  for (size_t i = 0; i < entries.array().size(); ++i) {
    const Node entry = entries.at(i);
    AddedToken token = read_added_token(entry);
    if (!seen.insert(token.content).second)
      input_error(entry.where, ".content is ", shown(Json(token.content)), " for the second time");
    TokenId expected = vocab_id(token.content, parts);
    if (expected == kNoToken) {
      expected = next;
      if (parts.has_vocab_id(expected)) input_error(entry.where, ".id ", expected, " is also an id of the vocabulary");
    }
    if (token.id != expected) {
      input_error(entry.where, ".id of ", shown(Json(token.content)), " is ", token.id,
                  ", but the tokenizers library numbers it ", expected);
    }
    next = std::max(next, expected >= vocab_size ? expected + 1 : next);
    parts.added.push_back(std::move(token));
  }
}

Json parse_json(const std::string& text, const std::string& path) {
  try {
    return Json::parse(text);
  } catch (const nlohmann::json::exception& e) {
    input_error(path, ": not JSON: ", e.what());
  }
}

}  // namespace

TokenizerParts read_tokenizer_json(const std::string& json_text, const std::string& path) {
  const Json json = parse_json(json_text, path);
  const Node root{json, path, ": "};
  root.keys({"version", "truncation", "padding", "added_tokens", "normalizer", "pre_tokenizer", "post_processor",
             "decoder", "model"});
  if (root.has("version") && root.at("version").json != "1.0") {
    usage_error(root.at("version").where, " is ", shown(root.at("version").json), "; only \"1.0\" is understood");
  }
  check_normalizer(root);
  check_decoder(root);
  if (root.has("post_processor")) check_post_processor(root.at("post_processor"));
  const Node model = root.at("model");
  check_model_settings(model);
  TokenizerParts parts{read_pre_tokenizer(root), Bpe(model.boolean("ignore_merges", false)), {}, {}, {}};
  read_vocab(model.at("vocab"), parts);
  read_merges(model.at("merges"), parts.bpe);
  if (root.has("added_tokens")) read_added_tokens(root.at("added_tokens"), parts);
  return parts;
}

}  // namespace glmv
