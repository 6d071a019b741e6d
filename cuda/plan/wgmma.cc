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
  if (tuned.path == LinearPath::naive) {
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

}  // namespace glmv::cuda_plan
