// What an op costs at least: arithmetic, and the bytes that must move if every operand is touched once.
#pragma once

#include <cstdint>

namespace glmv {

struct Cost {
  double flops = 0, bytes = 0;

  Cost& operator+=(const Cost& o) { return flops += o.flops, bytes += o.bytes, *this; }
  friend Cost operator+(Cost a, const Cost& b) { return a += b; }
  friend Cost operator*(double n, const Cost& c) { return {n * c.flops, n * c.bytes}; }
};

/// Bytes per element of a weight, an activation, a cached key or value.
struct Widths {
  double weight = 2, activation = 2, cache = 2;
};

/// out [m, n] = x [m, k] w [n, k]^T. `out_bytes` per element of the result; 0 = an activation.
inline Cost product_cost(double m, double n, double k, Widths w = {}, double out_bytes = 0) {
  return {2 * m * n * k, n * k * w.weight + m * k * w.activation + m * n * (out_bytes == 0 ? w.activation : out_bytes)};
}

/// Attention of `queries` query tokens, `pairs` (query, visible key) pairs and `keys` cached tokens: q read, out
/// written, keys and values read once.
inline Cost attention_cost(double queries, double pairs, double keys, double heads, double kv_heads, double width,
                           Widths w = {}) {
  return {4 * pairs * heads * width,
          2 * queries * heads * width * w.activation + 2 * keys * kv_heads * width * w.cache};
}

/// Pairs of a causal chunk of s queries behind `past` tokens.
inline double causal_pairs(double s, double past) { return s * (s + 1) / 2 + s * past; }

/// The experts of `tokens` tokens with `k` choices each, `touched` distinct ones: gate, up and down. What is computed
/// between the two products is counted as staying in cache.
inline Cost experts_cost(double tokens, double k, double touched, double hidden, double ffn, Widths w = {}) {
  return {6 * tokens * k * hidden * ffn, touched * 3 * hidden * ffn * w.weight + 2 * tokens * hidden * w.activation};
}

/// Rows that are read `reads` times, written `writes` times, with `flops` operations per element.
inline Cost rows_cost(double elements, double reads, double writes, double flops, Widths w = {}) {
  return {flops * elements, (reads + writes) * elements * w.activation};
}

}  // namespace glmv
