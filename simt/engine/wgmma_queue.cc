#include "simt/engine/wgmma_queue.h"

#include <algorithm>
#include <cstring>

#include "reference/core/error.h"
#include "simt/engine/collective.h"
#include "simt/engine/race_checker.h"
#include "simt/engine/report.h"

namespace glmv::simt {
namespace {

struct Slot {
  Wgmma* wgmma;
  const uint32_t* a;
};

const Wgmma& first(const Lanes& lanes) { return *lanes.at<Slot>(0).wgmma; }

/// Values of A that all lanes hold, by row of the warp.
void gather(const Lanes& lanes) {
  uint16_t a[16][16];
  for (unsigned l = 0; l < 32; ++l) {
    for (unsigned i = 0; i < WgmmaM64K16::kA; ++i) {
      const Cell at = WgmmaM64K16::a(l, i);
      a[at.row][at.column] = static_cast<uint16_t>(lanes.at<Slot>(l).a[i / 2] >> (16 * (i % 2)));
    }
  }
  for (unsigned l = 0; l < 32; ++l) {
    for (unsigned half = 0; half < 2; ++half)
      memcpy(lanes.at<Slot>(l).wgmma->a_rows[half], a[l / 4 + 8 * half], sizeof(a[0]));
  }
}

void compute(const Lanes& lanes) {
  for (unsigned l = 0; l < 32; ++l) {
    const Wgmma& w = *lanes.at<Slot>(l).wgmma;
    if (w.b != first(lanes).b || w.a != first(lanes).a || w.accumulate != first(lanes).accumulate)
      lanes.fail(l, "wgmma: the descriptors differ between the lanes of a warp");
  }
  if (first(lanes).a_in_registers) gather(lanes);
}

const Operation kWgmma = {"wgmma.mma_async", &compute, 32};
const Operation kWait = {"wgmma.wait_group", nullptr, 32};

void check_descriptor(uint64_t bits, Place place) {
  const WgmmaDescriptor d = decode(bits);
  if (encode(d) != bits) fail(place, "wgmma: the descriptor has bits where none belong");
  if (d.swizzle != 1) fail(place, concat("wgmma: swizzle mode ", d.swizzle, " is not emulated, only 1 (128 bytes) is"));
  if (d.base_offset != 0)
    fail(place, "wgmma: a base offset is not emulated: patterns start at multiples of 1024 bytes");
}

/// Lane 0 compares with what the other warps of the warpgroup have issued.
void check_warpgroup(const Wgmma& w) {
  Block& block = *g_block;
  const Thread& t = block.self();
  Warpgroup* group = block.warpgroup_of(t);
  if (group == nullptr) fail(w.place, "wgmma: the warp is not one of four that make a warpgroup");
  if (t.lane != 0) return;
  const size_t number = group->count[t.warp % 4]++;
  const Warpgroup::Issued mine = {w.place, w.n, w.a_in_registers ? 0 : w.a, w.b};
  if (number == group->issued.size()) {
    group->issued.push_back(mine);
    return;
  }
  const Warpgroup::Issued& theirs = group->issued[number];
  if (theirs.place.line != mine.place.line || theirs.n != mine.n || theirs.a != mine.a || theirs.b != mine.b) {
    fail(w.place, concat("wgmma: instruction ", number, " of this warp differs from that of another warp of its ",
                         "warpgroup, at ", name_of(theirs.place)));
  }
}

}  // namespace

WgmmaQueue::Sums* WgmmaQueue::sums_of(const Wgmma& w) {
  for (auto& s : sums_) {
    if (s->d == w.d) return s.get();
  }
  sums_.push_back(std::make_unique<Sums>());
  Sums& s = *sums_.back();
  s.d = w.d;
  s.count = w.n / 2;
  s.open = 0;
  memcpy(s.values, w.d, s.count * sizeof(float));
  return &s;
}

std::string WgmmaQueue::issue(const Wgmma& w) {
  if (!fenced_) return "wgmma: no wgmma.fence since the last wait, or since the kernel began";
  Sums* s = sums_of(w);
  if (s->count != w.n / 2) return "wgmma: an instruction of another shape on these registers is in flight";
  ++s->open;
  entries_.push_back({w, s, groups_});
  memset(w.d, 0xFF, s->count * sizeof(float));
  return "";
}

/// Registers that nothing in flight will change have their values.
void WgmmaQueue::give_back() {
  for (size_t i = sums_.size(); i-- > 0;) {
    if (sums_[i]->open != 0) continue;
    memcpy(sums_[i]->d, sums_[i]->values, sums_[i]->count * sizeof(float));
    sums_.erase(sums_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

bool WgmmaQueue::next_due(unsigned open_groups, DueWgmma& due) {
  fenced_ = false;
  if (done_ < entries_.size()) {
    const Entry& e = entries_[done_];
    if (e.group < groups_ && groups_ - e.group > open_groups) {
      --e.sums->open;
      ++done_;
      due = {&e.wgmma, e.sums->values};
      return true;
    }
  } else {
    entries_.clear();
    done_ = 0;
  }
  give_back();
  return false;
}

void issue_wgmma(Wgmma wgmma, const uint32_t* a_registers) {
  const race::Ignore ignore;
  if (!wgmma.a_in_registers) check_descriptor(wgmma.a, wgmma.place);
  check_descriptor(wgmma.b, wgmma.place);
  check_warpgroup(wgmma);
  Slot slot = {&wgmma, a_registers};
  collective(kWgmma, 0xffffffffu, &slot, wgmma.place);
  if (const std::string why = g_block->self().wgmmas.issue(wgmma); !why.empty()) fail(wgmma.place, why);
}

void wgmma_fence() { g_block->self().wgmmas.fence(); }
void wgmma_commit() { g_block->self().wgmmas.commit(); }

bool next_due_wgmma(unsigned open_groups, DueWgmma& due) {
  const race::Ignore ignore;
  return g_block->self().wgmmas.next_due(open_groups, due);
}

void wgmma_waited(Place place) { collective(kWait, 0xffffffffu, nullptr, place); }

void fence_proxy() {
  const race::Ignore ignore;
  g_block->fence_writes();
}

uint32_t shared_address(const void* p) { return g_block->shared().address_of(p); }

const void* shared_place(uint32_t address, unsigned bytes, Place place) {
  const void* p = g_block->shared().at(address);
  if (!is_shared(p, bytes)) {
    const race::Ignore ignore;
    fail(place, concat("wgmma: the descriptor leads to address ", address, ", beyond shared memory"));
  }
  if (g_block->has_unfenced_write(p, bytes)) {
    const race::Ignore ignore;
    fail(place, "wgmma reads what a cp.async wrote and no fence.proxy.async of its thread has made visible");
  }
  return p;
}

}  // namespace glmv::simt
