// Byte-pair encoding of one piece of text, in byte space.
//
// Merges are tried in the order of the merge list (rank = position in the list, not the id of the result); equal
// ranks go from left to right. A piece of n bytes costs O(n log n), whatever the merges are.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace glmv {

/// Token ids inside the tokenizer; the vocabulary reader has checked that they fit.
using TokenId = int32_t;
constexpr TokenId kNoToken = -1;

/// What a pair of neighbours becomes.
struct Merge {
  uint32_t rank;
  TokenId result;
};

/// (left id, right id) -> Merge: open addressing, because this look-up is the inner loop of encoding.
class MergeTable {
 public:
  explicit MergeTable(size_t expected);
  void set(TokenId left, TokenId right, Merge merge);  ///< a later entry for the same pair replaces the earlier
  const Merge* find(TokenId left, TokenId right) const;

 private:
  struct Slot {
    uint64_t pair;
    Merge merge;
  };
  size_t slot_of(uint64_t pair) const;
  void grow();

  std::vector<Slot> slots_;
  size_t used_ = 0;
};

/// A vocabulary with its merges. Immutable once built.
class Bpe {
 public:
  explicit Bpe(bool ignore_merges) : ignore_merges_(ignore_merges), merges_(0) { byte_ids_.fill(kNoToken); }
  Bpe(const Bpe&) = delete;  // by_bytes_ points into bytes_
  Bpe(Bpe&&) = default;

  /// A token that spells `bytes`. False if the id is taken.
  bool add(std::string bytes, TokenId id);
  void add_merge(TokenId left, TokenId right, Merge merge) { merges_.set(left, right, merge); }

  TokenId id_of(std::string_view bytes) const;    ///< kNoToken if there is none
  const std::string* bytes_of(TokenId id) const;  ///< null if there is none
  TokenId byte_id(unsigned char byte) const { return byte_ids_[byte]; }
  size_t size() const { return bytes_.size(); }

  /// Buffers that calls of `encode` share; one per thread of work.
  struct Scratch;
  /// Appends the ids of one piece. Needs an id for every byte.
  void encode(std::string_view piece, Scratch& scratch, std::vector<int64_t>& ids) const;

 private:
  void merge_piece(std::string_view piece, Scratch& scratch, std::vector<int64_t>& ids) const;
  void offer(size_t left, Scratch& scratch) const;
  void merge_all(Scratch& scratch) const;

  bool ignore_merges_;  ///< a piece that is a token as it stands is that token
  std::unordered_map<TokenId, std::string> bytes_;
  std::unordered_map<std::string_view, TokenId> by_bytes_;
  std::array<TokenId, 256> byte_ids_;
  MergeTable merges_;
};

struct Bpe::Scratch {
  /// A linked list over the piece; a symbol that was merged into its left neighbour has length 0.
  struct Symbol {
    TokenId id;
    uint32_t length;
    uint32_t previous, next;
  };
  /// A merge that was possible when it was offered: order (rank, position), and the length it would give.
  struct Offer {
    uint64_t order;
    uint32_t length;
    TokenId result;
  };
  std::vector<Symbol> symbols;
  std::vector<Offer> heap;
};

}  // namespace glmv
