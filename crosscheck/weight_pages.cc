#include "crosscheck/weight_pages.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <string>

#include "crosscheck/stages.h"
#include "reference/model/device_weights.h"

namespace glmv {
namespace {

/// The segment's weights alone, in the structure that for_each_matrix walks.
Weights weights_of(const Weights& all, const Segment& segment) {
  Weights part;
  const auto i = static_cast<size_t>(segment.index);
  switch (segment.kind) {
    case Segment::Kind::patches:
      part.vision.patch_embed = all.vision.patch_embed;
      part.vision.patch_embed_bias = all.vision.patch_embed_bias;
      part.vision.post_conv_norm = all.vision.post_conv_norm;
      part.vision.position_table = all.vision.position_table;
      break;
    case Segment::Kind::block: part.vision.blocks = {all.vision.blocks[i]}; break;
    case Segment::Kind::merger:
      part.vision = all.vision;
      part.vision.blocks.clear();
      part.vision.patch_embed = part.vision.patch_embed_bias = {};
      part.vision.post_conv_norm = part.vision.position_table = {};
      break;
    case Segment::Kind::embedding: part.embed_tokens = all.embed_tokens; break;
    case Segment::Kind::layer: part.layers = {all.layers[i]}; break;
    case Segment::Kind::head:
      part.norm = all.norm;
      part.lm_head = all.lm_head;
      break;
  }
  return part;
}

template <class F>
void for_each_range(const Weights& all, const Segment& segment, F f) {
  Weights part = weights_of(all, segment);
  for_each_matrix(part, [&](Weight& w) {
    for (const ConstTensorView* v : {&w.data, &w.scale, &w.zero}) {
      if (!*v || !v->contiguous()) continue;
      const char* begin = static_cast<const char*>(v->data);
      f(std::pair(begin, begin + v->bytes()));
    }
  });
}

}  // namespace

std::vector<Segment> segments_of(const ModelConfig& config, bool visual) {
  std::vector<Segment> all;
  if (visual) {
    all.push_back({Segment::Kind::patches});
    for (int64_t i = 0; i < config.vision.depth; ++i) all.push_back({Segment::Kind::block, i});
    all.push_back({Segment::Kind::merger});
  }
  all.push_back({Segment::Kind::embedding});
  for (int64_t i = 0; i < config.text.num_layers; ++i) all.push_back({Segment::Kind::layer, i});
  all.push_back({Segment::Kind::head});
  return all;
}

std::string words_for(const Segment& segment) {
  switch (segment.kind) {
    case Segment::Kind::patches: return "patch embedding";
    case Segment::Kind::block: return concat("vision block ", segment.index);
    case Segment::Kind::merger: return "merger";
    case Segment::Kind::embedding: return "token embedding";
    case Segment::Kind::layer: return concat("decoder layer ", segment.index);
    case Segment::Kind::head: return "head";
  }
  return "?";
}

WeightPages::WeightPages(const Model& model) : model_(model) {
  for (const std::string& name : model.checkpoint.names()) {
    const ConstTensorView v = model.checkpoint.get(name);
    const char* begin = static_cast<const char*>(v.data);
    mapped_.emplace_back(begin, begin + v.bytes());
  }
  std::sort(mapped_.begin(), mapped_.end());
}

bool WeightPages::is_mapped(const Range& range) const {
  const auto next = std::upper_bound(mapped_.begin(), mapped_.end(), range.first,
                                     [](const char* at, const Range& r) { return at < r.first; });
  return next != mapped_.begin() && range.second <= std::prev(next)->second;
}

void WeightPages::release(const Segment& segment) const {
  static const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  for_each_range(model_.weights, segment, [&](const Range& range) {
    // Memory of our own would be zeroed by this, so only what lies in a file is given back.
    if (!is_mapped(range)) return;
    const uintptr_t begin = reinterpret_cast<uintptr_t>(range.first) / page * page;
    const uintptr_t end = (reinterpret_cast<uintptr_t>(range.second) + page - 1) / page * page;
    ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // NOLINT(performance-no-int-to-ptr)
  });
}

void WeightPages::release_behind(const std::string& name) const {
  const std::string point = split_step(name).point;
  const LayerPoint layer = split_layer(point);
  if (layer.layer < 0 || !layer.inner.empty()) return;
  release({stage_of(point) < 9 ? Segment::Kind::block : Segment::Kind::layer, layer.layer});
}

int64_t WeightPages::bytes(const Segment& segment) const {
  int64_t sum = 0;
  for_each_range(model_.weights, segment, [&](const Range& range) { sum += range.second - range.first; });
  return sum;
}

/// VmHWM, where the system tells it: getrusage also counts the memory of who started this program.
int64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::strtoll(line.c_str() + 6, nullptr, 10) * 1024;
  }
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace glmv
