// Byte-level BPE from tokenizer.json, as GLM's snapshots have it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace glmv {

/// Immutable after construction; safe to share between threads.
class Tokenizer {
 public:
  /// Reads DIR/tokenizer.json. Refuses (Error, exit code 2) a pipeline other than added tokens + regex split +
  /// byte-level BPE; a malformed file is exit code 3.
  static Tokenizer open(const std::string& dir);
  static Tokenizer parse(const std::string& json_text, const std::string& path);

  /// Added tokens are found first (leftmost, longest), the rest is split by the regex and merged. No token is added.
  /// Invalid UTF-8 in `text` is an Error (exit code 3) with the byte offset.
  std::vector<int64_t> encode(std::string_view text) const;

  /// Bytes of all tokens, invalid UTF-8 replaced by U+FFFD as the tokenizers library does.
  /// skip_special drops tokens whose special flag is set. An id outside the vocabulary decodes to nothing.
  std::string decode(const std::vector<int64_t>& ids, bool skip_special = false) const;

  /// The raw bytes of one token (for streaming); empty if unknown.
  std::string token_bytes(int64_t id) const;
  /// Id of an added or ordinary token by its exact text; -1 if there is none.
  int64_t id_of(std::string_view token) const;
  bool is_special(int64_t id) const;
  /// An added token, special or not, or a vocabulary entry that spells no bytes.
  bool is_added(int64_t id) const;
  int64_t size() const;  ///< ids in use

 private:
  struct State;
  std::shared_ptr<const State> state_;
};

/// Turns token ids into text as they come, holding back an incomplete UTF-8 tail.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::string push(int64_t id);  ///< the text that has become complete
  std::string finish();          ///< the tail, invalid bytes replaced by U+FFFD

 private:
  const Tokenizer& tokenizer_;
  std::string pending_;
};

}  // namespace glmv
