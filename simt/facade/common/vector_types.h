// dim3 and the small vectors of both vendors.
#pragma once

#include "simt/engine.h"

// An inline namespace: the names are global, the symbols differ from those of the real headers in other object files.
inline namespace glmv_simt_facade {

using uint3 = ::glmv::simt::Index3;

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}  // NOLINT: as the real one
  constexpr dim3(uint3 i) : x(i.x), y(i.y), z(i.z) {}                                         // NOLINT
  constexpr operator uint3() const { return {x, y, z}; }                                      // NOLINT
};

#define GLMV_SIMT_VECTORS(type, name, align2, align4)              \
  struct name##1 {                                                 \
    type x;                                                        \
  };                                                               \
  struct alignas(align2) name##2 {                                 \
    type x, y;                                                     \
  };                                                               \
  struct alignas(align4) name##4 {                                 \
    type x, y, z, w;                                               \
  };                                                               \
  inline name##2 make_##name##2(type x, type y) { return {x, y}; } \
  inline name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }

GLMV_SIMT_VECTORS(float, float, 8, 16)
GLMV_SIMT_VECTORS(double, double, 16, 16)
GLMV_SIMT_VECTORS(int, int, 8, 16)
GLMV_SIMT_VECTORS(unsigned, uint, 8, 16)
GLMV_SIMT_VECTORS(short, short, 4, 8)
GLMV_SIMT_VECTORS(unsigned short, ushort, 4, 8)
GLMV_SIMT_VECTORS(signed char, char, 2, 4)
GLMV_SIMT_VECTORS(unsigned char, uchar, 2, 4)
GLMV_SIMT_VECTORS(long long, longlong, 16, 16)
GLMV_SIMT_VECTORS(unsigned long long, ulonglong, 16, 16)
#undef GLMV_SIMT_VECTORS

struct float3 {
  float x, y, z;
};
inline float3 make_float3(float x, float y, float z) { return {x, y, z}; }

}  // namespace glmv_simt_facade
