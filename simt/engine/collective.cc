#include "simt/engine/collective.h"

#include "simt/engine/race_checker.h"
#include "simt/engine/report.h"

namespace glmv::simt {
namespace {

unsigned lowest_lane(uint64_t mask) { return static_cast<unsigned>(__builtin_ctzll(mask)); }

}  // namespace

void Lanes::fail(unsigned lane, const std::string& what) const {
  const race::Ignore ignore;
  Block& block = *g_block;
  block.stop(describe_failure(block.config(), block.thread_of(*warp, lane), place, what));
}

void collective(const Operation& operation, uint64_t mask, void* slot, Place place) {
  const bool hip = g_block->config().dialect == Dialect::hip && operation.hip_name != nullptr;
  g_block->collective(operation, {hip ? operation.hip_name : operation.name, place, mask}, slot);
}

void Block::check_mask(const Warp& warp, const Waiting& at) {
  const Thread& t = self();
  const auto refuse = [&](const std::string& what) { stop(describe_failure(config_, t, at.place, what)); };
  if (((at.mask >> t.lane) & 1) == 0) refuse(concat(at.name, ": the mask does not name the calling lane ", t.lane));
  if ((at.mask & ~warp.lanes) != 0) {
    refuse(concat(at.name, " names lane ", lowest_lane(at.mask & ~warp.lanes), ", but its warp has only ",
                  __builtin_popcountll(warp.lanes), " threads"));
  }
  if ((at.mask & warp.exited) != 0) {
    stop(describe_exited_lane(config_, thread_of(warp, lowest_lane(at.mask & warp.exited)), at));
  }
}

Meeting& Block::free_meeting(Warp& warp) {
  for (auto& m : warp.meetings) {
    if (m->inside == 0) return *m;
  }
  const size_t w = static_cast<size_t>(&warp - warps_.data());
  warp.meetings.push_back(std::make_unique<Meeting>());
  Meeting& m = *warp.meetings.back();
  m.sync = shared_.sync(kFirstWarpSync + w * kMaxWarpWidth + warp.meetings.size() - 1);
  return m;
}

Meeting& Block::open_or_join(Warp& warp, const Operation& operation, const Waiting& at) {
  for (auto& m : warp.meetings) {
    if (m->inside == 0 || m->complete || m->at.mask != at.mask) continue;
    if (m->operation != &operation || !same_place(m->at, at)) {
      const Thread& first = thread_of(warp, lowest_lane(m->arrived));
      stop(describe_divergence(config_, first, m->at, self(), at));
    }
    return *m;
  }
  Meeting& m = free_meeting(warp);
  m.operation = &operation;
  m.at = at;
  m.arrived = m.inside = 0;
  m.complete = false;
  return m;
}

void Block::collective(const Operation& operation, const Waiting& at, void* slot) {
  const race::Ignore ignore;
  Thread& t = self();
  Warp& warp = warp_of(t);
  if (operation.width != 0 && operation.width != t.warp_width) {
    stop(describe_failure(
        config_, t, at.place,
        concat(operation.name, " is an instruction of ", operation.width, " lanes; the warp width is ", t.warp_width)));
  }
  check_mask(warp, at);
  Meeting& m = open_or_join(warp, operation, at);
  const uint64_t bit = uint64_t{1} << t.lane;
  m.slots[t.lane] = slot;
  m.arrived |= bit;
  m.inside |= bit;
  // Exchanging registers orders no memory, says the manual of CUDA of shuffles, votes, matches and reductions.
  const bool orders_memory = operation.compute == nullptr;
  if (orders_memory) race::release(m.sync);
  if (m.arrived == at.mask) {
    m.complete = true;
    if (operation.compute != nullptr) operation.compute({m.slots, at.mask, t.warp_width, at.place, &warp});
    for (uint64_t rest = at.mask & ~bit; rest != 0; rest &= rest - 1) wake(thread_of(warp, lowest_lane(rest)));
  } else {
    wait(at);
  }
  if (orders_memory) race::acquire(m.sync);
  m.inside &= ~bit;
}

}  // namespace glmv::simt
