// Added tokens: strings that are found in the raw text before anything else looks at it.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/bpe.h"

namespace glmv {

/// One entry of added_tokens.
struct AddedToken {
  std::string content;
  TokenId id = kNoToken;
  bool special = false;     ///< left out of decoded text on request
  bool normalized = false;  ///< looked for after the others (there is no normalizer, so in the same text)
};

/// Leftmost-longest search for any of a set of strings.
class AddedTokenFinder {
 public:
  struct Found {
    size_t begin, end;
    TokenId id;
  };

  void add(const AddedToken& token);
  /// Of all occurrences that begin at or after `from`: the first, and of those the longest.
  std::optional<Found> find(std::string_view text, size_t from) const;

 private:
  struct Entry {
    std::string content;
    TokenId id;
  };
  std::array<std::vector<Entry>, 256> by_first_byte_;  ///< each sorted, longest first
};

}  // namespace glmv
