#include "data/bpe.h"

#include <algorithm>
#include <utility>

namespace glmv {
namespace {

constexpr uint64_t kEmptySlot = ~uint64_t{0};  // no pair: ids are not negative
constexpr uint32_t kEnd = ~uint32_t{0};        // no neighbour

uint64_t pair_of(TokenId left, TokenId right) {
  return (static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32) | static_cast<uint32_t>(right);
}

/// Mixes all bits of a pair into the upper ones.
uint64_t mixed(uint64_t x) {
  x ^= x >> 32;
  x *= 0x9E3779B97F4A7C15u;
  return x ^ (x >> 29);
}

bool later(const Bpe::Scratch::Offer& a, const Bpe::Scratch::Offer& b) { return a.order > b.order; }

}  // namespace

MergeTable::MergeTable(size_t expected) {
  size_t slots = 16;
  while (slots < 2 * expected) slots *= 2;
  slots_.assign(slots, Slot{kEmptySlot, {}});
}

size_t MergeTable::slot_of(uint64_t pair) const {
  const size_t mask = slots_.size() - 1;
  size_t at = mixed(pair) & mask;
  while (slots_[at].pair != pair && slots_[at].pair != kEmptySlot) at = (at + 1) & mask;
  return at;
}

void MergeTable::grow() {
  std::vector<Slot> old(2 * slots_.size(), Slot{kEmptySlot, {}});
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.pair != kEmptySlot) slots_[slot_of(slot.pair)] = slot;
  }
}

void MergeTable::set(TokenId left, TokenId right, Merge merge) {
  if (2 * (used_ + 1) > slots_.size()) grow();
  Slot& slot = slots_[slot_of(pair_of(left, right))];
  if (slot.pair == kEmptySlot) ++used_;
  slot = {pair_of(left, right), merge};
}

const Merge* MergeTable::find(TokenId left, TokenId right) const {
  const Slot& slot = slots_[slot_of(pair_of(left, right))];
  return slot.pair == kEmptySlot ? nullptr : &slot.merge;
}

bool Bpe::add(std::string bytes, TokenId id) {
  const auto [entry, fresh] = bytes_.emplace(id, std::move(bytes));
  if (!fresh) return false;
  const std::string& stored = entry->second;
  by_bytes_[stored] = id;
  if (stored.size() == 1) byte_ids_[static_cast<unsigned char>(stored[0])] = id;
  return true;
}

TokenId Bpe::id_of(std::string_view bytes) const {
  const auto found = by_bytes_.find(bytes);
  return found == by_bytes_.end() ? kNoToken : found->second;
}

const std::string* Bpe::bytes_of(TokenId id) const {
  const auto found = bytes_.find(id);
  return found == bytes_.end() ? nullptr : &found->second;
}

void Bpe::encode(std::string_view piece, Scratch& scratch, std::vector<int64_t>& ids) const {
  const TokenId whole = ignore_merges_ ? id_of(piece) : kNoToken;
  if (whole != kNoToken) {
    ids.push_back(whole);
  } else {
    merge_piece(piece, scratch, ids);
  }
}

void Bpe::merge_piece(std::string_view piece, Scratch& scratch, std::vector<int64_t>& ids) const {
  scratch.symbols.clear();
  scratch.heap.clear();
  const auto n = static_cast<uint32_t>(piece.size());
  for (uint32_t i = 0; i < n; ++i) {
    const TokenId id = byte_id(static_cast<unsigned char>(piece[i]));
    scratch.symbols.push_back({id, 1, i == 0 ? kEnd : i - 1, i + 1 == n ? kEnd : i + 1});
  }
  for (uint32_t i = 0; i + 1 < n; ++i) offer(i, scratch);
  merge_all(scratch);
  for (uint32_t i = 0; i != kEnd && n > 0; i = scratch.symbols[i].next) ids.push_back(scratch.symbols[i].id);
}

/// Puts the merge of a symbol with its right neighbour on the heap, if there is one.
void Bpe::offer(size_t left, Scratch& scratch) const {
  const Scratch::Symbol& a = scratch.symbols[left];
  const Scratch::Symbol& b = scratch.symbols[a.next];
  const Merge* merge = merges_.find(a.id, b.id);
  if (!merge) return;
  scratch.heap.push_back({(uint64_t{merge->rank} << 32) | left, a.length + b.length, merge->result});
  std::push_heap(scratch.heap.begin(), scratch.heap.end(), later);
}

void Bpe::merge_all(Scratch& scratch) const {
  auto& symbols = scratch.symbols;
  while (!scratch.heap.empty()) {
    std::pop_heap(scratch.heap.begin(), scratch.heap.end(), later);
    const Scratch::Offer best = scratch.heap.back();
    scratch.heap.pop_back();
    const auto at = static_cast<uint32_t>(best.order);
    Scratch::Symbol& left = symbols[at];
    // The text that starts at a symbol and covers it and its neighbour only grows, so equal length means same offer.
    if (left.length == 0 || left.next == kEnd || left.length + symbols[left.next].length != best.length) continue;
    Scratch::Symbol& right = symbols[left.next];
    left.id = best.result;
    left.length = best.length;
    left.next = right.next;
    right.length = 0;
    if (left.next != kEnd) symbols[left.next].previous = at;
    if (left.previous != kEnd) offer(left.previous, scratch);
    if (left.next != kEnd) offer(at, scratch);
  }
}

}  // namespace glmv
