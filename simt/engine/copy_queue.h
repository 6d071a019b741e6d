// The asynchronous copies of one thread that nobody has waited for yet.
#pragma once

#include <vector>

#include "simt/copies.h"

namespace glmv::simt {

class CopyQueue {
 public:
  void issue(const PendingCopy& copy) { copies_.push_back({copy, groups_}); }
  void commit() { ++groups_; }
  const PendingCopy* next_due(unsigned open_groups);
  size_t pending() const { return copies_.size() - done_; }
  Place first_place() const { return copies_[done_].copy.place; }

 private:
  struct Entry {
    PendingCopy copy;
    unsigned group;
  };
  std::vector<Entry> copies_;  // oldest first; the first done_ are finished
  size_t done_ = 0;
  unsigned groups_ = 0;  // committed so far
};

}  // namespace glmv::simt
