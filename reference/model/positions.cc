#include "reference/model/positions.h"

#include <algorithm>

#include "reference/core/error.h"

namespace glmv {

std::vector<int64_t> token_types(const std::vector<int64_t>& ids, const ModelConfig& config) {
  std::vector<int64_t> types;
  int64_t open_videos = 0;
  for (int64_t id : ids) {
    if (id == config.video_start_token_id) ++open_videos;
    if (id == config.video_end_token_id) --open_videos;
    types.push_back(id != config.image_token_id ? 0 : open_videos > 0 ? 2 : 1);
  }
  return types;
}

namespace {

/// Every frame of a clip as a grid of its own: time enters only through the running position.
std::vector<Grid> frames_of(const std::vector<Grid>& grids) {
  std::vector<Grid> frames;
  for (const Grid& g : grids) {
    for (int64_t t = 0; t < g[0]; ++t) frames.push_back({1, g[1], g[2]});
  }
  return frames;
}

struct Queue {
  const char* what;
  std::vector<Grid> grids;
  size_t next = 0;

  const Grid& take(int64_t run, int64_t merge) {
    if (next == grids.size())
      input_error("the prompt has more runs of ", what, " tokens than ", what, "s: ", grids.size());
    const Grid& g = grids[next++];
    const int64_t wanted = g[0] * (g[1] / merge) * (g[2] / merge);
    if (run != wanted) {
      input_error(what, ' ', next - 1, " has grid ", g[0], 'x', g[1], 'x', g[2], " and needs ", wanted,
                  " placeholder tokens, the prompt has ", run);
    }
    return g;
  }
  void check_all_taken() const {
    if (next != grids.size()) {
      input_error("the prompt has placeholder tokens for ", next, ' ', what, next == 1 ? "" : "s", ", but ",
                  grids.size(), grids.size() == 1 ? " was given" : " were given");
    }
  }
};

}  // namespace

Positions rope_index(const std::vector<int64_t>& ids, const std::vector<Grid>& images, const std::vector<Grid>& videos,
                     const ModelConfig& config) {
  const std::vector<int64_t> types = token_types(ids, config);
  const int64_t merge = config.vision.spatial_merge_size;
  Queue queues[] = {{"picture", images}, {"clip frame", frames_of(videos)}};
  Positions out;
  int32_t cur = 0, largest = -1;
  for (size_t begin = 0; begin < types.size();) {
    size_t end = begin;
    while (end < types.size() && types[end] == types[begin]) ++end;
    const auto run = static_cast<int64_t>(end - begin);
    if (types[begin] == 0) {
      for (int64_t k = 0; k < run; ++k, ++cur) out.of_token.push_back({cur, cur, cur});
      largest = std::max(largest, cur - 1);
    } else {
      const Grid& g = queues[types[begin] - 1].take(run, merge);
      const auto rows = static_cast<int32_t>(g[1] / merge), cols = static_cast<int32_t>(g[2] / merge);
      for (int32_t t = 0; t < g[0]; ++t) {
        for (int32_t r = 0; r < rows; ++r) {
          for (int32_t c = 0; c < cols; ++c) out.of_token.push_back({cur + t, cur + r, cur + c});
        }
      }
      largest = std::max({largest, cur + static_cast<int32_t>(g[0]) - 1, cur + rows - 1, cur + cols - 1});
      cur += static_cast<int32_t>(std::max(g[1], g[2]) / merge);
    }
    begin = end;
  }
  for (const Queue& q : queues) q.check_all_taken();
  out.rope_delta = largest + 1 - static_cast<int64_t>(ids.size());
  return out;
}

PatchPositions patch_positions(const std::vector<Grid>& grids, int64_t merge) {
  PatchPositions out;
  out.cu_frames.push_back(0);
  for (const Grid& g : grids) {
    if (g[0] < 1 || g[1] < merge || g[2] < merge || g[1] % merge != 0 || g[2] % merge != 0) {
      input_error("grid ", g[0], 'x', g[1], 'x', g[2], " is not made of blocks of ", merge, 'x', merge, " patches");
    }
    const int64_t blocks_across = g[2] / merge, cells = merge * merge;
    for (int64_t t = 0; t < g[0]; ++t) {
      for (int64_t i = 0; i < g[1] * g[2]; ++i) {
        const int64_t block = i / cells, cell = i % cells;
        out.y.push_back(static_cast<int32_t>(block / blocks_across * merge + cell / merge));
        out.x.push_back(static_cast<int32_t>(block % blocks_across * merge + cell % merge));
        out.h.push_back(static_cast<int32_t>(g[1]));
        out.w.push_back(static_cast<int32_t>(g[2]));
      }
      out.cu_frames.push_back(static_cast<int32_t>(out.y.size()));
    }
  }
  return out;
}

}  // namespace glmv
