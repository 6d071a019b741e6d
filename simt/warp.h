// Exchanges between the lanes of a warp, on raw bits; the facades give them the vendors' names and types.
//
// Policy, on purpose stricter than hardware: every lane of the mask must take part, at one place in the source, with
// one mask; a mask that names a lane that has ended or does not exist is an error, and so is reading a lane outside it.
#pragma once

#include "simt/engine.h"

namespace glmv::simt {

enum class Shuffle : uint8_t { index, up, down, exclusive_or };
/// `value` of the lane that `argument` chooses within a segment of `width` lanes (a power of two); the own value where
/// that would leave the segment.
uint64_t warp_shuffle(Shuffle kind, uint64_t value, unsigned argument, unsigned width, uint64_t mask, Place place);

enum class Vote : uint8_t { ballot, any, all };
/// ballot: bit i = lane i's flag;  any, all: 0 or 1.
uint64_t warp_vote(Vote kind, bool flag, uint64_t mask, Place place);

/// Lanes of the mask whose value equals the caller's.
uint64_t warp_match_any(uint64_t value, uint64_t mask, Place place);

enum class Reduce : uint8_t { add, min_signed, max_signed, min_unsigned, max_unsigned, bit_and, bit_or, bit_xor };
uint32_t warp_reduce(Reduce kind, uint32_t value, uint64_t mask, Place place);

/// A barrier of the lanes of the mask.
void warp_barrier(uint64_t mask, Place place);

}  // namespace glmv::simt
