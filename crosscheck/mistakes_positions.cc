// Stage 3: where tokens stand.
#include <algorithm>

#include "crosscheck/mistake_tools.h"

namespace glmv {
namespace {

using Axes = std::array<int32_t, 3>;

bool is_visual(const Prompt& p, size_t t) { return p.types[t] != 0; }

/// Begin of the run of visual tokens that t lies in.
size_t run_begin(const Prompt& p, size_t t) {
  while (t > 0 && p.types[t - 1] == p.types[t]) --t;
  return t;
}

void set_delta(Prompt& p) {
  int32_t largest = -1;
  for (const Axes& at : p.positions.of_token) largest = std::max({largest, at[0], at[1], at[2]});
  p.positions.rope_delta = largest + 1 - static_cast<int64_t>(p.ids.size());
}

void as_text(Prompt& p, const ModelConfig&) {
  for (size_t t = 0; t < p.ids.size(); ++t) p.positions.of_token[t].fill(static_cast<int32_t>(t));
  p.positions.rope_delta = 0;
}

/// Walks the tokens anew: visual ones keep their offset within their run, changed by `offset`; behind a run text goes
/// on at start + resume(run).
struct Run {
  int32_t tokens, step;  ///< step: how far the reference goes on
};
void walk(Prompt& p, const std::function<bool(int64_t type)>& is_text, const std::function<Axes(Axes)>& offset,
          const std::function<int32_t(Run)>& resume) {
  const std::vector<Axes> old = p.positions.of_token;
  int32_t at = 0;
  for (size_t t = 0; t < p.ids.size();) {
    size_t end = t;
    while (end < p.ids.size() && p.types[end] == p.types[t]) ++end;
    const auto tokens = static_cast<int32_t>(end - t);
    const bool text = p.types[t] == 0 || is_text(p.types[t]);
    for (size_t i = t; i < end; ++i) {
      Axes inner{};
      for (size_t a = 0; a < 3; ++a) inner[a] = old[i][a] - old[t][0];
      if (text) inner.fill(static_cast<int32_t>(i - t));
      if (!text) inner = offset(inner);
      for (size_t a = 0; a < 3; ++a) p.positions.of_token[i][a] = at + inner[a];
    }
    const int32_t step = end < p.ids.size() ? old[end][0] - old[t][0] : tokens;
    at += text ? tokens : resume({tokens, step});
    t = end;
  }
  set_delta(p);
}

const auto kNone = [](int64_t) { return false; };
const auto kAsItIs = [](Axes inner) { return inner; };
const auto kStep = [](Run run) { return run.step; };

void clips_as_text(Prompt& p, const ModelConfig&) {
  walk(
      p, [](int64_t type) { return type == 2; }, kAsItIs, kStep);
}

void swapped(Prompt& p, const ModelConfig&) {
  walk(
      p, kNone,
      [](Axes a) {
        return Axes{a[0], a[2], a[1]};
      },
      kStep);
}

void resume_behind_all(Prompt& p, const ModelConfig&) {
  walk(p, kNone, kAsItIs, [](Run run) { return run.tokens; });
}

void resume_at_once(Prompt& p, const ModelConfig&) {
  walk(p, kNone, kAsItIs, [](Run) { return 1; });
}

void in_patches(Prompt& p, const ModelConfig& config) {
  const auto merge = static_cast<int32_t>(config.vision.spatial_merge_size);
  walk(
      p, kNone,
      [&](Axes a) {
        return Axes{a[0], a[1] * merge, a[2] * merge};
      },
      [&](Run run) { return run.step * merge; });
}

/// Rows and columns count from 0 in every picture.
void without_start(Prompt& p, const ModelConfig&) {
  const std::vector<Axes> old = p.positions.of_token;
  for (size_t t = 0; t < p.ids.size(); ++t) {
    if (!is_visual(p, t)) continue;
    const Axes first = old[run_begin(p, t)];
    for (size_t a = 1; a < 3; ++a) p.positions.of_token[t][a] = old[t][a] - first[a];
  }
}

/// Frame k of a clip stands k further on the time axis, as in models whose clips have one.
void counted_frames(Prompt& p, const ModelConfig& config) {
  int32_t frame = -1;
  for (size_t t = 0; t < p.ids.size(); ++t) {
    if (p.ids[t] == config.video_start_token_id) frame = -1;
    if (p.types[t] != 2) continue;
    if (run_begin(p, t) == t) ++frame;
    p.positions.of_token[t][0] += frame;
  }
  set_delta(p);
}

void from_one(Prompt& p, const ModelConfig&) {
  for (Axes& at : p.positions.of_token) {
    for (int32_t& x : at) ++x;
  }
  set_delta(p);
}

void clips_as_pictures(Prompt& p, const ModelConfig&) {
  for (int64_t& type : p.types) type = std::min<int64_t>(type, 1);
}

}  // namespace

std::vector<Mistake> position_mistakes() {
  const auto entry = [](const char* name, const char* point, const char* wrong, const char* right, const char* source,
                        void (*positions)(Prompt&, const ModelConfig&)) {
    Mistake m{name, 3, point, wrong, right, source};
    m.positions = positions;
    return m;
  };
  const char* header = "reference/model/positions.h";
  Mistake types =
      entry("token_types=clips_as_pictures", "mm_token_type_ids", "tokens of clips have the type of pictures",
            "type 2 between the begin and the end of a video", header, clips_as_pictures);
  types.stage = 2;
  const char* where = "(start, start + row, start + column) of the merged grid";
  const char* resume = "text goes on at start + max(rows, columns)";
  const char* issue = "https://github.com/vllm-project/vllm/pull/27860";
  return {
      entry("positions=text_only", "position_ids", "all tokens count up on all axes, pictures too", where, issue,
            as_text),
      entry("positions=clips_as_text", "position_ids", "tokens of clips count up like text", where,
            "https://github.com/vllm-project/vllm/pull/33039", clips_as_text),
      entry("positions=swapped_axes", "position_ids", "rows stand on the width axis and columns on the height axis",
            where, header, swapped),
      entry("positions=resume_behind_all", "position_ids",
            "text behind a picture goes on at start + its number of tokens", resume, header, resume_behind_all),
      entry("positions=resume_at_once", "position_ids", "text behind a picture goes on at start + 1", resume, header,
            resume_at_once),
      entry("positions=unmerged", "position_ids", "rows and columns are counted in patches, not in merged tokens",
            where, header, in_patches),
      entry("positions=without_start", "position_ids", "rows and columns of a picture count from 0", where, header,
            without_start),
      entry("positions=counted_frames", "position_ids", "frame k of a clip stands k further on the time axis",
            "time enters through the running position and the written times only", header, counted_frames),
      entry("positions=from_one", "position_ids", "positions count from 1", "from 0", header, from_one),
      entry("rope_delta=zero", "rope_delta",
            "generated tokens stand at the number of tokens before them, also behind pictures",
            "at that number + rope_delta, which pictures make negative", header,
            [](Prompt& p, const ModelConfig&) { p.positions.rope_delta = 0; }),
      types,
  };
}

}  // namespace glmv
