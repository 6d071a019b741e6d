#include "simt/engine/mbarriers.h"

#include <cstring>

#include "simt/engine/block.h"
#include "simt/engine/race_checker.h"
#include "simt/engine/report.h"

namespace glmv::simt {
namespace {

constexpr uint64_t kMagic = 0x6d62617200000000;  // "mbar", then the number
constexpr unsigned kMostArrivals = (1u << 20) - 1;
constexpr int64_t kMostBytes = (1 << 20) - 1;
const char kWait[] = "mbarrier.try_wait";

void* phase_sync(Block& block, const Mbarrier& b, uint64_t phase) {
  return block.mbarrier_sync(block.mbarriers().index_of(b), phase % 2);
}
void* load_sync(Block& block, const Mbarrier& b) { return block.mbarrier_sync(block.mbarriers().index_of(b), 2); }

}  // namespace

uint64_t Mbarriers::init(Block& block, void* address, unsigned count, Place place) {
  if (!is_shared(address, 8) || reinterpret_cast<uintptr_t>(address) % 8 != 0)
    fail(place, concat("mbarrier.init: ", address, " is not 8 aligned bytes of shared memory"));
  if (count == 0 || count > kMostArrivals) fail(place, concat("mbarrier.init: a count of ", count));
  if (barriers_.size() == kMost) fail(place, concat("more than ", kMost, " barriers in shared memory"));
  for (const Mbarrier& b : barriers_) {
    if (b.address == address)
      fail(place, concat("mbarrier.init: there is one already, initialised at ", name_of(b.place)));
  }
  barriers_.push_back({address, place, count, count, 0, 0, 0, {}, {}});
  (void)block;
  return kMagic | (barriers_.size() - 1);
}

Mbarrier& Mbarriers::find(Block& block, const void* address, uint64_t stored, const char* what, Place place) {
  (void)block;
  const uint64_t index = stored & 0xffffffffu;
  const bool known = (stored & ~uint64_t{0xffffffffu}) == kMagic && index < barriers_.size();
  if (!known || barriers_[index].address != address)
    fail(place, concat(what, ": no mbarrier was initialised there, or it has been overwritten"));
  return barriers_[index];
}

bool Mbarriers::complete(Block& block, Mbarrier& b, Place place) {
  if (b.missing != 0 || b.bytes != 0) return false;
  if (b.flying != 0) {
    fail(place, concat("a phase of the mbarrier initialised at ", name_of(b.place), " is complete while ", b.flying,
                       " bytes of a tensor load are on their way"));
  }
  b.missing = b.count;
  ++b.phase;
  wake_all(block, b);
  return true;
}

void Mbarriers::wake_all(Block& block, Mbarrier& b) {
  for (Thread* t : b.waiting) block.wake(*t);
  b.waiting.clear();
}

std::string Mbarriers::describe_missing() const {
  std::string text;
  for (const Mbarrier& b : barriers_) {
    if (b.waiting.empty()) continue;
    text += concat("\n  phase ", b.phase, " of the mbarrier initialised at ", name_of(b.place), " lacks ", b.missing,
                   " of ", b.count, " arrivals and ", b.bytes, " bytes");
  }
  return text;
}

const TensorLoad* Mbarriers::forgotten() const {
  for (const Mbarrier& b : barriers_) {
    if (!b.loads.empty()) return b.loads.data();
  }
  return nullptr;
}

// ---- What a kernel asks for

uint64_t mbarrier_init(void* barrier, unsigned count, Place place) {
  const race::Ignore ignore;
  return g_block->mbarriers().init(*g_block, barrier, count, place);
}

void mbarrier_arrive(void* barrier, uint64_t stored, unsigned expected_bytes, Place place) {
  const race::Ignore ignore;
  Mbarriers& all = g_block->mbarriers();
  Mbarrier& b = all.find(*g_block, barrier, stored, "mbarrier.arrive", place);
  if (b.missing == 0) {
    fail(place, concat("mbarrier.arrive: more than the ", b.count, " arrivals that the mbarrier initialised at ",
                       name_of(b.place), " counts in a phase"));
  }
  b.bytes += expected_bytes;
  if (b.bytes > kMostBytes)
    fail(place, concat("mbarrier.arrive.expect_tx: ", b.bytes, " bytes are more than one counts"));
  --b.missing;
  race::release(phase_sync(*g_block, b, b.phase));
  all.complete(*g_block, b, place);
}

void check_load(const TensorLoad& load, uint64_t stored) {
  const race::Ignore ignore;
  const auto refuse = [&](const std::string& why) { fail(load.place, concat("tensor load: ", why)); };
  if (const std::string why = ptx::refusal(load.tensor); !why.empty()) refuse(why);
  if (reinterpret_cast<uintptr_t>(load.to) % 128 != 0) refuse(concat(load.to, " is not aligned to 128 bytes"));
  if (!is_shared(load.to, load.tensor.box_bytes())) refuse("the destination is not shared memory");
  const Mbarrier& b = g_block->mbarriers().find(*g_block, load.barrier, stored, "tensor load", load.place);
  const int64_t bytes = load.tensor.box_bytes();
  if (b.bytes - b.flying < bytes) {
    refuse(concat("of ", bytes, " bytes, the mbarrier initialised at ", name_of(b.place), " expects ",
                  b.bytes - b.flying, "; mbarrier.arrive.expect_tx must name them first"));
  }
}

void issue_load(const TensorLoad& load, uint64_t stored) {
  const race::Ignore ignore;
  Mbarrier& b = g_block->mbarriers().find(*g_block, load.barrier, stored, "tensor load", load.place);
  b.flying += load.tensor.box_bytes();
  b.loads.push_back(load);
  race::release(load_sync(*g_block, b));
  Mbarriers::wake_all(*g_block, b);  // whoever waits does the copying
}

bool next_load(void* barrier, uint64_t stored, TensorLoad& load, Place place) {
  const race::Ignore ignore;
  Mbarrier& b = g_block->mbarriers().find(*g_block, barrier, stored, kWait, place);
  if (b.loads.empty()) return false;
  race::acquire(load_sync(*g_block, b));
  load = b.loads.back();
  b.loads.pop_back();
  return true;
}

void finish_load(const TensorLoad& load) {
  const race::Ignore ignore;
  uint64_t stored = 0;
  memcpy(&stored, load.barrier, sizeof(stored));
  Mbarriers& all = g_block->mbarriers();
  Mbarrier& b = all.find(*g_block, load.barrier, stored, "tensor load", load.place);
  b.bytes -= load.tensor.box_bytes();
  b.flying -= load.tensor.box_bytes();
  race::release(phase_sync(*g_block, b, b.phase));
  all.complete(*g_block, b, load.place);
}

bool mbarrier_wait(void* barrier, uint64_t stored, unsigned parity, Place place) {
  const race::Ignore ignore;
  Mbarrier& b = g_block->mbarriers().find(*g_block, barrier, stored, kWait, place);
  if (parity > 1) fail(place, concat(kWait, ": parity ", parity));
  if (b.passes(parity)) {
    race::acquire(phase_sync(*g_block, b, parity));
    return true;
  }
  b.waiting.push_back(&g_block->self());
  g_block->wait({kWait, place, 0});
  return false;
}

}  // namespace glmv::simt
