// tokenizer.json -> its parts. Everything the encoder cannot do exactly is refused by name.
//
// Accepted: no normalizer; a Sequence of one regex Split (Isolated) and ByteLevel (no prefix space, no regex); BPE
// over all 256 bytes; a ByteLevel decoder; post-processors that add nothing. truncation and padding are ignored, as
// the library's users switch them off. Ids must be those that the library itself would give.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "data/added_tokens.h"
#include "data/bpe.h"
#include "data/split_regex.h"

namespace glmv {

struct TokenizerParts {
  SplitRegex regex;
  Bpe bpe;
  std::unordered_map<std::string, TokenId> odd_tokens;  ///< vocabulary entries that spell no bytes: never encoded to
  std::unordered_set<TokenId> odd_ids;
  std::vector<AddedToken> added;

  bool has_vocab_id(TokenId id) const { return bpe.bytes_of(id) || odd_ids.contains(id); }
};

/// Throws Error: exit code 2 for a pipeline that is not understood, 3 for a malformed or contradictory file.
/// `path` only serves messages.
TokenizerParts read_tokenizer_json(const std::string& json_text, const std::string& path);

}  // namespace glmv
