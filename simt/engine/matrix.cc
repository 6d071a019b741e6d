#include "simt/matrix.h"

#include <cmath>
#include <cstring>

#include "reference/core/dtype.h"
#include "simt/engine/collective.h"
#include "simt/engine/report.h"
#include "simt/lane_tables.h"

namespace glmv::simt {
namespace {

float widen_bf16(uint16_t bits) {
  bf16 x;
  x.bits = bits;
  return static_cast<float>(x);
}

float widen_e4m3(uint8_t bits) {
  f8e4m3 x;
  x.bits = bits;
  return static_cast<float>(x);
}

float widen_e4m3_fnuz(uint8_t bits) {
  if (bits == 0x80) return std::nanf("");
  const int exponent = bits >> 3 & 15, mantissa = bits & 7;
  const float size = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -10)
                                   : std::ldexp(static_cast<float>(8 + mantissa), exponent - 11);
  return (bits & 0x80) != 0 ? -size : size;
}

/// Operands and result of one lane.
template <class Table, class Element>
struct Slot {
  Element a[Table::kA], b[Table::kB];
  float c[Table::kC], d[Table::kC];
};

template <class Table, class Element>
struct Matrices {
  float a[Table::kM][Table::kK], b[Table::kK][Table::kN], c[Table::kM][Table::kN];

  Matrices(const Lanes& lanes, float (*widen)(Element)) {
    for (unsigned l = 0; l < Table::kLanes; ++l) {
      const auto& slot = lanes.at<Slot<Table, Element>>(l);
      for (unsigned i = 0; i < Table::kA; ++i) a[Table::a(l, i).row][Table::a(l, i).column] = widen(slot.a[i]);
      for (unsigned i = 0; i < Table::kB; ++i) b[Table::b(l, i).row][Table::b(l, i).column] = widen(slot.b[i]);
      for (unsigned i = 0; i < Table::kC; ++i) c[Table::c(l, i).row][Table::c(l, i).column] = slot.c[i];
    }
  }

  void multiply() {
    for (unsigned m = 0; m < Table::kM; ++m) {
      for (unsigned k = 0; k < Table::kK; ++k) {
        for (unsigned n = 0; n < Table::kN; ++n) c[m][n] += a[m][k] * b[k][n];
      }
    }
  }
};

template <class Table, class Element, float (*widen)(Element)>
void compute(const Lanes& lanes) {
  Matrices<Table, Element> matrices(lanes, widen);
  matrices.multiply();
  for (unsigned l = 0; l < Table::kLanes; ++l) {
    auto& slot = lanes.at<Slot<Table, Element>>(l);
    for (unsigned i = 0; i < Table::kC; ++i) slot.d[i] = matrices.c[Table::c(l, i).row][Table::c(l, i).column];
  }
}

template <class Table, class Element>
void run(const Operation& operation, float* d, const void* a, const void* b, const float* c, Place place) {
  Slot<Table, Element> slot;
  memcpy(slot.a, a, sizeof(slot.a));
  memcpy(slot.b, b, sizeof(slot.b));
  memcpy(slot.c, c, sizeof(slot.c));
  collective(operation, ~uint64_t{0} >> (64 - Table::kLanes), &slot, place);
  memcpy(d, slot.d, sizeof(slot.d));
}

const Operation kMmaBf16 = {"mma.sync.m16n8k16", &compute<MmaM16N8K16, uint16_t, widen_bf16>, 32};
const Operation kMmaE4m3 = {"mma.sync.m16n8k32", &compute<MmaM16N8K32, uint8_t, widen_e4m3>, 32};
const Operation kMfma16Bf16 = {"mfma_16x16x16_bf16", &compute<Mfma<16, 16>, uint16_t, widen_bf16>, 64};
const Operation kMfma32Bf16 = {"mfma_32x32x8_bf16", &compute<Mfma<32, 8>, uint16_t, widen_bf16>, 64};
const Operation kMfma16Fp8 = {"mfma_16x16x32_fp8", &compute<Mfma<16, 32>, uint8_t, widen_e4m3_fnuz>, 64};
const Operation kMfma32Fp8 = {"mfma_32x32x16_fp8", &compute<Mfma<32, 16>, uint8_t, widen_e4m3_fnuz>, 64};

struct LdmatrixSlot {
  uint16_t row[8];
  uint32_t* out;
  unsigned count;
  bool transposed;
};

void compute_ldmatrix(const Lanes& lanes) {
  for (unsigned l = 0; l < 32; ++l) {
    const auto& slot = lanes.at<LdmatrixSlot>(l);
    for (unsigned tile = 0; tile < slot.count; ++tile) {
      uint16_t pair[2];
      for (unsigned i = 0; i < 2; ++i) {
        const Cell at = Ldmatrix::value(l, i, slot.transposed);
        pair[i] = lanes.at<LdmatrixSlot>(8 * tile + at.row).row[at.column];
      }
      slot.out[tile] = pair[0] | uint32_t{pair[1]} << 16;
    }
  }
}

const Operation kLdmatrix = {"ldmatrix", &compute_ldmatrix, 32};

}  // namespace

void mma_m16n8k16_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], const float c[4], Place place) {
  run<MmaM16N8K16, uint16_t>(kMmaBf16, d, a, b, c, place);
}
void mma_m16n8k32_e4m3(float d[4], const uint32_t a[4], const uint32_t b[2], const float c[4], Place place) {
  run<MmaM16N8K32, uint8_t>(kMmaE4m3, d, a, b, c, place);
}
void mfma_16x16x16_bf16(float d[4], const uint16_t a[4], const uint16_t b[4], const float c[4], Place place) {
  run<Mfma<16, 16>, uint16_t>(kMfma16Bf16, d, a, b, c, place);
}
void mfma_32x32x8_bf16(float d[16], const uint16_t a[4], const uint16_t b[4], const float c[16], Place place) {
  run<Mfma<32, 8>, uint16_t>(kMfma32Bf16, d, a, b, c, place);
}
void mfma_16x16x32_fp8(float d[4], uint64_t a, uint64_t b, const float c[4], Place place) {
  run<Mfma<16, 32>, uint8_t>(kMfma16Fp8, d, &a, &b, c, place);
}
void mfma_32x32x16_fp8(float d[16], uint64_t a, uint64_t b, const float c[16], Place place) {
  run<Mfma<32, 16>, uint8_t>(kMfma32Fp8, d, &a, &b, c, place);
}

void ldmatrix(uint32_t* out, unsigned count, bool transposed, const void* row, Place place) {
  LdmatrixSlot slot = {{}, out, count, transposed};
  if (this_thread().lane < 8 * count) memcpy(slot.row, row, sizeof(slot.row));
  collective(kLdmatrix, 0xffffffffu, &slot, place);
}

void check_ldmatrix_row(const void* row, Place place) {
  if (reinterpret_cast<uintptr_t>(row) % 16 != 0)
    fail(place, concat("ldmatrix: row ", row, " is not aligned to 16 bytes"));
  if (!is_shared(row, 16)) fail(place, concat("ldmatrix: row ", row, " is not shared memory"));
}

}  // namespace glmv::simt
