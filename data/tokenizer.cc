// Byte-level BPE: added tokens are cut out of the raw text, a regex cuts the rest into pieces, merges join the bytes
// of a piece. tokenizer_json reads the file; utf8, byte_level, added_tokens, split_regex and bpe are the steps.
#include "data/tokenizer.h"

#include <array>
#include <limits>
#include <unordered_map>
#include <utility>

#include "data/byte_level.h"
#include "data/file.h"
#include "data/tokenizer_json.h"
#include "data/utf8.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

constexpr size_t kMaxText = std::numeric_limits<int32_t>::max();  // Bpe counts bytes of a piece in 32 bits

/// What a token adds to decoded text: its spelling in the byte alphabet, or the text itself if it is not in it.
std::string decoded_bytes(const std::string& token) { return from_byte_level(token).value_or(token); }

}  // namespace

struct Tokenizer::State {
  struct Token {
    std::string bytes;
    bool special;
  };
  /// Tokens outside Bpe: added ones, which go first, and vocabulary entries that spell no bytes.
  std::unordered_map<TokenId, Token> others;
  std::unordered_map<std::string, TokenId> others_by_text;
  std::array<AddedTokenFinder, 2> finders;  ///< those that are not normalized are looked for first
  SplitRegex regex;
  Bpe bpe;
  int64_t size = 0;

  explicit State(TokenizerParts parts);
  void add_other(const std::string& text, TokenId id, bool special);
  const Token* other(int64_t id) const;

  struct Work {
    std::vector<int64_t> ids;
    std::vector<std::string_view> pieces;
    Bpe::Scratch scratch;
  };
  void encode(std::string_view text, size_t level, Work& work) const;
  void append_bytes(int64_t id, std::string& bytes) const;
};

Tokenizer::State::State(TokenizerParts parts) : regex(std::move(parts.regex)), bpe(std::move(parts.bpe)) {
  size = static_cast<int64_t>(bpe.size());
  for (const auto& [text, id] : parts.odd_tokens) add_other(text, id, false);
  for (const AddedToken& token : parts.added) {
    add_other(token.content, token.id, token.special);
    finders[token.normalized ? 1 : 0].add(token);
  }
}

void Tokenizer::State::add_other(const std::string& text, TokenId id, bool special) {
  if (!bpe.bytes_of(id) && !others.contains(id)) ++size;
  others.insert_or_assign(id, Token{decoded_bytes(text), special});
  others_by_text.insert_or_assign(text, id);
}

const Tokenizer::State::Token* Tokenizer::State::other(int64_t id) const {
  if (id < 0 || id > std::numeric_limits<TokenId>::max()) return nullptr;
  const auto found = others.find(static_cast<TokenId>(id));
  return found == others.end() ? nullptr : &found->second;
}

/// Level 0 and 1 cut out added tokens, level 2 encodes what lies between them.
void Tokenizer::State::encode(std::string_view text, size_t level, Work& work) const {
  if (text.empty()) return;
  if (level == finders.size()) {
    regex.split(text, work.pieces);
    for (const std::string_view piece : work.pieces) bpe.encode(piece, work.scratch, work.ids);
    return;
  }
  size_t done = 0;
  while (const auto found = finders[level].find(text, done)) {
    encode(text.substr(done, found->begin - done), level + 1, work);
    work.ids.push_back(found->id);
    done = found->end;
  }
  encode(text.substr(done), level + 1, work);
}

void Tokenizer::State::append_bytes(int64_t id, std::string& bytes) const {
  if (const Token* token = other(id)) {
    bytes += token->bytes;
  } else if (id >= 0 && id <= std::numeric_limits<TokenId>::max()) {
    if (const std::string* found = bpe.bytes_of(static_cast<TokenId>(id))) bytes += *found;
  }
}

Tokenizer Tokenizer::open(const std::string& dir) {
  const std::string path = dir + "/tokenizer.json";
  return parse(read_file(path), path);
}

Tokenizer Tokenizer::parse(const std::string& json_text, const std::string& path) {
  Tokenizer tokenizer;
  tokenizer.state_ = std::make_shared<const State>(read_tokenizer_json(json_text, path));
  return tokenizer;
}

std::vector<int64_t> Tokenizer::encode(std::string_view text) const {
  if (text.size() > kMaxText) input_error("a text of ", text.size(), " bytes is too long to be tokenized");
  const size_t wrong = utf8_first_error(text);
  if (wrong != std::string_view::npos) input_error("the text is not UTF-8: byte ", wrong, " does not belong there");
  State::Work work;
  state_->encode(text, 0, work);
  return std::move(work.ids);
}

std::string Tokenizer::decode(const std::vector<int64_t>& ids, bool skip_special) const {
  std::string bytes;
  for (const int64_t id : ids) {
    if (!skip_special || !is_special(id)) state_->append_bytes(id, bytes);
  }
  std::string text;
  utf8_append_lossy(bytes, true, text);
  return text;
}

std::string Tokenizer::token_bytes(int64_t id) const {
  std::string bytes;
  state_->append_bytes(id, bytes);
  return bytes;
}

/// Ordinary tokens are asked for as the file spells them ("Ġthe"), like the library's token_to_id.
int64_t Tokenizer::id_of(std::string_view token) const {
  if (utf8_first_error(token) != std::string_view::npos) return kNoToken;
  const auto found = state_->others_by_text.find(std::string(token));
  if (found != state_->others_by_text.end()) return found->second;
  const std::optional<std::string> bytes = from_byte_level(token);
  return bytes ? state_->bpe.id_of(*bytes) : kNoToken;
}

bool Tokenizer::is_special(int64_t id) const {
  const State::Token* token = state_->other(id);
  return token && token->special;
}

bool Tokenizer::is_added(int64_t id) const { return state_->other(id) != nullptr; }

int64_t Tokenizer::size() const { return state_->size; }

std::string StreamDecoder::push(int64_t id) {
  pending_ += tokenizer_.token_bytes(id);
  std::string text;
  pending_.erase(0, utf8_append_lossy(pending_, false, text));
  return text;
}

std::string StreamDecoder::finish() {
  std::string text;
  utf8_append_lossy(pending_, true, text);
  pending_.clear();
  return text;
}

}  // namespace glmv
