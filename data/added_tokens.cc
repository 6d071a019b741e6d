#include "data/added_tokens.h"

#include <algorithm>

namespace glmv {
namespace {

size_t index_of(char byte) { return static_cast<unsigned char>(byte); }

}  // namespace

void AddedTokenFinder::add(const AddedToken& token) {
  std::vector<Entry>& entries = by_first_byte_[index_of(token.content.front())];
  const auto shorter = [&](const Entry& e) { return e.content.size() < token.content.size(); };
  entries.insert(std::find_if(entries.begin(), entries.end(), shorter), {token.content, token.id});
}

std::optional<AddedTokenFinder::Found> AddedTokenFinder::find(std::string_view text, size_t from) const {
  for (size_t at = from; at < text.size(); ++at) {
    for (const Entry& entry : by_first_byte_[index_of(text[at])]) {
      if (text.compare(at, entry.content.size(), entry.content) == 0) {
        return Found{at, at + entry.content.size(), entry.id};
      }
    }
  }
  return std::nullopt;
}

}  // namespace glmv
