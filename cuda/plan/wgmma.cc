#include "cuda/plan/wgmma.h"

#include <limits>

namespace glmv::cuda_plan {
namespace {

size_t shared_bytes(const Tile& t) { return t.shared_bytes() + kBoxAlignment; }

}  // namespace

WgmmaLinearPlan plan_linear_wgmma(const LinearArgs& a, const Device& device) {
  WgmmaLinearPlan p;
  const int64_t tokens = a.x.dim[0], n = a.w.rows(), k = a.x.dim[1];
  const LinearPlan tuned = plan_linear(a, device);
  if (reads_codes(a)) {
    p.rule = "weights are quantised";
  } else if (tuned.path == LinearPath::naive) {
    p.rule = "types or strides that only the plain rung takes";
  } else if (tokens < kWgmmaTokens) {
    p.rule = "fewer tokens than a tile has rows";
  } else if (shared_bytes(kWgmmaSmall) > device.shared_bytes || shared_bytes(kWgmmaLarge) > device.shared_bytes) {
    p.rule = "too little shared memory";
  } else {
    p.rule = nullptr;
  }
  if (p.rule != nullptr) return p;
  const auto tiles = [&](const Tile& t) { return ceil_div(tokens, t.rows) * ceil_div(n, t.columns); };
  if (tiles(kWgmmaLarge) >= device.multiprocessors) p.tile = kWgmmaLarge;
  GLMV_CHECK(tiles(p.tile) <= std::numeric_limits<int>::max(), "linear: ", tiles(p.tile),
             " tiles are more than a grid has blocks");
  p.blocks = static_cast<int>(tiles(p.tile));
  p.steps = static_cast<int>(ceil_div(k, p.tile.depth));
  p.shared_bytes = shared_bytes(p.tile);
  p.wide_stores = tuned.wide_stores;
  return p;
}

WgmmaExpertsPlan plan_experts_wgmma(const ExpertsProblem& p, const ExpertsPlan& tuned, const Device& device) {
  WgmmaExpertsPlan w;
  w.shared_bytes = shared_bytes(kWgmmaLarge);
  if (tuned.path != ExpertsPath::grouped) {
    w.rule = "few tokens, or types and strides that only the plain rung takes";
  } else if (p.format != Format::plain) {
    w.rule = "experts are quantised";
  } else if (tuned.align.tile_rows != kWgmmaRows) {
    w.rule = "experts have fewer rows than a tile";
  } else if (w.shared_bytes > device.shared_bytes) {
    w.rule = "too little shared memory";
  } else {
    w.rule = nullptr;
  }
  w.gate_up = {ceil_div(p.ffn, kWgmmaLarge.columns / 2), tuned.align.row_tiles};
  w.down = {ceil_div(p.width, kWgmmaLarge.columns), tuned.align.row_tiles};
  w.maps_bytes = (static_cast<size_t>(3 * p.experts) * kTensorMapBytes + 255) / 256 * 256;
  return w;
}

WgmmaAttentionPlan plan_attention_wgmma(const AttentionArgs& a, const Device& device) {
  WgmmaAttentionPlan w;
  w.tuned = plan_attention(a, device);
  const auto chunks = [](const ConstTensorView& v, int axis) { return v.dim[axis] <= 1 || v.stride[axis] % 8 == 0; };
  if (w.tuned.path != AttentionPath::prefill) {
    w.rule = "few queries, or types and strides that only the plain rung takes";
  } else if (a.q.dim[2] != 128) {
    w.rule = "heads are not 128 wide";
  } else if (reinterpret_cast<uintptr_t>(a.q.data) % 16 != 0 || !chunks(a.q, 0) || !chunks(a.q, 1)) {
    w.rule = "queries are not aligned to 16 bytes";
  } else if (kAttentionSharedBytes + kBoxAlignment > device.shared_bytes) {
    w.rule = "too little shared memory";
  } else {
    w.rule = nullptr;
    w.tuned.tiling.rows = kAttentionRows;
    w.tuned.tiles = w.tuned.tiling.first(a.q.dim[0], static_cast<int>(a.cu_seqlens.dim[0] - 1));
    w.tuned.shared_bytes = kAttentionSharedBytes + kBoxAlignment;
  }
  return w;
}

}  // namespace glmv::cuda_plan
