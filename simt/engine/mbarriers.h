// The barriers in shared memory of the running block.
#pragma once

#include <string>
#include <vector>

#include "simt/mbarrier.h"

namespace glmv::simt {

class Block;
struct Thread;

struct Mbarrier {
  void* address;
  Place place;         ///< of its initialisation
  unsigned count;      ///< arrivals of a phase
  unsigned missing;    ///< arrivals that the current phase still needs
  int64_t bytes = 0;   ///< expected and not come
  int64_t flying = 0;  ///< bytes of loads that were issued and are not done
  uint64_t phase = 0;
  std::vector<TensorLoad> loads;
  std::vector<Thread*> waiting;

  bool passes(unsigned parity) const { return phase % 2 != parity; }
};

class Mbarriers {
 public:
  static constexpr size_t kMost = 64;
  static constexpr size_t kSyncs = 3;  ///< sync objects of each: phases of both parities, loads

  void begin_block() { barriers_.clear(); }
  bool empty() const { return barriers_.empty(); }
  uint64_t init(Block& block, void* address, unsigned count, Place place);
  /// The barrier at an address, which holds `stored`; an error if none was initialised there.
  Mbarrier& find(Block& block, const void* address, uint64_t stored, const char* what, Place place);
  size_t index_of(const Mbarrier& b) const { return static_cast<size_t>(&b - barriers_.data()); }

  /// Ends the phase if nothing is missing. Returns true if it did.
  bool complete(Block& block, Mbarrier& b, Place place);
  static void wake_all(Block& block, Mbarrier& b);
  /// What barriers with waiting threads lack, for the report of a deadlock.
  std::string describe_missing() const;
  /// A load that nobody waited for, or null.
  const TensorLoad* forgotten() const;

 private:
  std::vector<Mbarrier> barriers_;
};

}  // namespace glmv::simt
