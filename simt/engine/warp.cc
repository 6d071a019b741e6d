#include "simt/warp.h"

#include <algorithm>

#include "simt/engine/collective.h"
#include "simt/engine/report.h"

namespace glmv::simt {
namespace {

template <class F>
void for_each_lane(const Lanes& lanes, F f) {
  for (uint64_t rest = lanes.mask; rest != 0; rest &= rest - 1) f(static_cast<unsigned>(__builtin_ctzll(rest)));
}

struct ShuffleSlot {
  uint64_t value;
  unsigned argument, width;
  uint64_t result;
};

// The lane that is read; `lane` itself where the exchange would leave the segment.
template <Shuffle kind>
unsigned source_lane(unsigned lane, unsigned argument, unsigned width) {
  const unsigned begin = lane & ~(width - 1), end = begin + width;
  switch (kind) {
    case Shuffle::index: return begin + (argument & (width - 1));
    case Shuffle::up: return argument <= lane - begin ? lane - argument : lane;
    case Shuffle::down: return argument < end - lane ? lane + argument : lane;
    case Shuffle::exclusive_or: return (lane ^ argument) < end ? lane ^ argument : lane;
  }
  return lane;
}

template <Shuffle kind>
void compute_shuffle(const Lanes& lanes) {
  for_each_lane(lanes, [&](unsigned lane) {
    auto& slot = lanes.at<ShuffleSlot>(lane);
    const unsigned width = slot.width;
    if (width == 0 || width > lanes.width || (width & (width - 1)) != 0) {
      lanes.fail(lane, concat("shuffle of width ", width, ": must be a power of two up to ", lanes.width));
    }
    const unsigned from = source_lane<kind>(lane, slot.argument, width);
    if (!lanes.has(from))
      lanes.fail(lane, concat("shuffle: lane ", lane, " reads lane ", from, ", which takes no part"));
    slot.result = lanes.at<ShuffleSlot>(from).value;
  });
}

const Operation kShuffles[] = {{"__shfl_sync", &compute_shuffle<Shuffle::index>, 0, "__shfl"},
                               {"__shfl_up_sync", &compute_shuffle<Shuffle::up>, 0, "__shfl_up"},
                               {"__shfl_down_sync", &compute_shuffle<Shuffle::down>, 0, "__shfl_down"},
                               {"__shfl_xor_sync", &compute_shuffle<Shuffle::exclusive_or>, 0, "__shfl_xor"}};

struct VoteSlot {
  bool flag;
  uint64_t result;
};

template <Vote kind>
void compute_vote(const Lanes& lanes) {
  uint64_t ballot = 0;
  for_each_lane(lanes, [&](unsigned lane) { ballot |= uint64_t{lanes.at<VoteSlot>(lane).flag} << lane; });
  uint64_t result = ballot;
  if (kind == Vote::any) result = ballot != 0 ? 1 : 0;
  if (kind == Vote::all) result = ballot == lanes.mask ? 1 : 0;
  for_each_lane(lanes, [&](unsigned lane) { lanes.at<VoteSlot>(lane).result = result; });
}

const Operation kVotes[] = {{"__ballot_sync", &compute_vote<Vote::ballot>, 0, "__ballot"},
                            {"__any_sync", &compute_vote<Vote::any>, 0, "__any"},
                            {"__all_sync", &compute_vote<Vote::all>, 0, "__all"}};

struct MatchSlot {
  uint64_t value, result;
};

void compute_match(const Lanes& lanes) {
  for_each_lane(lanes, [&](unsigned lane) {
    auto& slot = lanes.at<MatchSlot>(lane);
    slot.result = 0;
    for_each_lane(lanes, [&](unsigned other) {
      slot.result |= uint64_t{lanes.at<MatchSlot>(other).value == slot.value} << other;
    });
  });
}

const Operation kMatch = {"__match_any_sync", &compute_match};

struct ReduceSlot {
  uint32_t value, result;
};

uint32_t combine(Reduce kind, uint32_t a, uint32_t b) {
  const auto sa = static_cast<int32_t>(a), sb = static_cast<int32_t>(b);
  switch (kind) {
    case Reduce::add: return a + b;
    case Reduce::min_signed: return static_cast<uint32_t>(std::min(sa, sb));
    case Reduce::max_signed: return static_cast<uint32_t>(std::max(sa, sb));
    case Reduce::min_unsigned: return std::min(a, b);
    case Reduce::max_unsigned: return std::max(a, b);
    case Reduce::bit_and: return a & b;
    case Reduce::bit_or: return a | b;
    case Reduce::bit_xor: return a ^ b;
  }
  return 0;
}

template <Reduce kind>
void compute_reduce(const Lanes& lanes) {
  const auto first = static_cast<unsigned>(__builtin_ctzll(lanes.mask));
  uint32_t result = lanes.at<ReduceSlot>(first).value;
  for_each_lane(lanes, [&](unsigned lane) {
    if (lane != first) result = combine(kind, result, lanes.at<ReduceSlot>(lane).value);
  });
  for_each_lane(lanes, [&](unsigned lane) { lanes.at<ReduceSlot>(lane).result = result; });
}

const Operation kReductions[] = {{"__reduce_add_sync", &compute_reduce<Reduce::add>},
                                 {"__reduce_min_sync", &compute_reduce<Reduce::min_signed>},
                                 {"__reduce_max_sync", &compute_reduce<Reduce::max_signed>},
                                 {"__reduce_min_sync", &compute_reduce<Reduce::min_unsigned>},
                                 {"__reduce_max_sync", &compute_reduce<Reduce::max_unsigned>},
                                 {"__reduce_and_sync", &compute_reduce<Reduce::bit_and>},
                                 {"__reduce_or_sync", &compute_reduce<Reduce::bit_or>},
                                 {"__reduce_xor_sync", &compute_reduce<Reduce::bit_xor>}};

const Operation kBarrier = {"__syncwarp", nullptr};

}  // namespace

uint64_t warp_shuffle(Shuffle kind, uint64_t value, unsigned argument, unsigned width, uint64_t mask, Place place) {
  ShuffleSlot slot = {value, argument, width, 0};
  collective(kShuffles[static_cast<int>(kind)], mask, &slot, place);
  return slot.result;
}

uint64_t warp_vote(Vote kind, bool flag, uint64_t mask, Place place) {
  VoteSlot slot = {flag, 0};
  collective(kVotes[static_cast<int>(kind)], mask, &slot, place);
  return slot.result;
}

uint64_t warp_match_any(uint64_t value, uint64_t mask, Place place) {
  MatchSlot slot = {value, 0};
  collective(kMatch, mask, &slot, place);
  return slot.result;
}

uint32_t warp_reduce(Reduce kind, uint32_t value, uint64_t mask, Place place) {
  ReduceSlot slot = {value, 0};
  collective(kReductions[static_cast<int>(kind)], mask, &slot, place);
  return slot.result;
}

void warp_barrier(uint64_t mask, Place place) { collective(kBarrier, mask, nullptr, place); }

}  // namespace glmv::simt
