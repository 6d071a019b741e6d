// The wgmma of one thread that nobody has waited for yet, and what the warps of a warpgroup have issued.
#pragma once

#include <memory>
#include <vector>

#include "simt/wgmma.h"

namespace glmv::simt {

class WgmmaQueue {
 public:
  /// Error text, or "".
  std::string issue(const Wgmma& wgmma);
  void fence() { fenced_ = true; }
  void commit() { ++groups_; }
  bool next_due(unsigned open_groups, DueWgmma& due);
  size_t pending() const { return entries_.size() - done_; }
  Place first_place() const { return entries_[done_].wgmma.place; }

 private:
  /// The true value of a thread's registers of D while instructions on them are in flight.
  struct Sums {
    float* d;
    unsigned count;
    size_t open;  ///< instructions in flight
    float values[128];
  };
  struct Entry {
    Wgmma wgmma;
    Sums* sums;
    unsigned group;
  };
  Sums* sums_of(const Wgmma& wgmma);
  void give_back();

  std::vector<Entry> entries_;  // oldest first; the first done_ are finished
  std::vector<std::unique_ptr<Sums>> sums_;
  size_t done_ = 0;
  unsigned groups_ = 0;  // committed so far
  bool fenced_ = false;
};

/// The instructions of a warpgroup, in order: its four warps must issue the same.
struct Warpgroup {
  struct Issued {
    Place place;
    unsigned n;
    uint64_t a, b;
  };
  std::vector<Issued> issued;
  size_t count[4] = {};  ///< by warp
};

}  // namespace glmv::simt
