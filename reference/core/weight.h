// A weight matrix in the form in which it is stored, and what an op may ask of it.
#pragma once

#include "reference/core/view.h"

namespace glmv {

/// How a weight is stored. New formats are added here, in core/matmul.cc (the one place that widens weights)
/// and in each backend's `prepare`; layers and op contracts do not change.
enum class Format : uint8_t {
  plain,        ///< data [N, K] in f64, f32, f16 or bf16
  fp8_per_row,  ///< data [N, K] f8e4m3, scale [N, 1]: value = data * scale[row]
};

/// A weight as read from a checkpoint. `data` keeps the stored dtype; N rows of K inputs (y = x Wᵀ).
struct Weight {
  Format format = Format::plain;
  ConstTensorView data;
  ConstTensorView scale;
  ConstTensorView zero;

  explicit operator bool() const { return static_cast<bool>(data); }
  int64_t rows() const { return data.dim[0]; }
  int64_t cols() const { return data.dim[1]; }
};

/// Experts e = 0..count-1 of one MoE layer: gate and up [F, H], down [H, F] each.
struct ExpertWeights {
  const Weight* gate = nullptr;
  const Weight* up = nullptr;
  const Weight* down = nullptr;
  int64_t count = 0;
  /// What Backend::write_experts made of them, in the backend's memory; null: a device makes it anew for every call.
  const void* table = nullptr;
};

inline std::ostream& operator<<(std::ostream& out, const Weight& w) { return out << w.data; }

}  // namespace glmv
