#include "reference/model/visuals.h"

#include "reference/model/batch.h"
#include "reference/splice.h"

namespace glmv {

Tensor visual_pixels(const Prompt& p) {
  if (!p.pixel_values_videos) return p.pixel_values;
  if (!p.pixel_values) return p.pixel_values_videos;
  const int64_t images = p.pixel_values.view.dim[0], videos = p.pixel_values_videos.view.dim[0];
  Tensor all(DType::f32, {images + videos, p.pixel_values.view.dim[1]});
  convert(p.pixel_values.view, slice(all.view, 0, 0, images));
  convert(p.pixel_values_videos.view, slice(all.view, 0, images, images + videos));
  return all;
}

std::vector<Grid> visual_grids(const Prompt& p) {
  std::vector<Grid> grids = p.image_grids;
  grids.insert(grids.end(), p.video_grids.begin(), p.video_grids.end());
  return grids;
}

std::vector<int32_t> visual_order(const Prompt& p) {
  std::vector<int32_t> order;
  for (int64_t type : {1, 2}) {
    int32_t visual = 0;
    for (int64_t t : p.types) {
      if (t == type) order.push_back(visual);
      if (t != 0) ++visual;
    }
  }
  return order;
}

TensorView encode_visuals(const Context& ctx, const ModelConfig& config, const VisionWeights& weights,
                          const Prompt& prompt, DType activation, Arena& memory) {
  const std::vector<Grid> grids = visual_grids(prompt);
  if (grids.empty()) return {};
  GLMV_CHECK(static_cast<bool>(weights.patch_embed), "the prompt has pictures, the model no vision tower");
  const ArenaScope scope(ctx.arena);
  const TensorView out = vision_tower(ctx, config, weights, visual_pixels(prompt).view, grids, activation);
  const TensorView features = memory.make(out.dtype, {out.dim[0], out.dim[1]});
  ctx.ops().splice({upload(ctx, visual_order(prompt)), out, features}, ctx.exec);
  return features;
}

}  // namespace glmv
