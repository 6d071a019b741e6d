// Any value of up to 8 bytes as the 64 bits the engine exchanges.
#pragma once

#include <cstring>

#include "simt/warp.h"

inline namespace glmv_simt_facade {

template <class T>
uint64_t bits_of_value(T value) {
  static_assert(sizeof(T) <= 8, "a shuffle moves at most 8 bytes");
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <class T>
T value_of_bits(uint64_t bits) {
  T value;
  memcpy(&value, &bits, sizeof(T));
  return value;
}

template <class T>
T shuffle(::glmv::simt::Shuffle kind, T value, unsigned argument, int width, uint64_t mask, ::glmv::simt::Place place) {
  return value_of_bits<T>(
      ::glmv::simt::warp_shuffle(kind, bits_of_value(value), argument, static_cast<unsigned>(width), mask, place));
}

}  // namespace glmv_simt_facade
