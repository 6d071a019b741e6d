#include "hip/plan/attention.h"

#include <algorithm>
#include <limits>

namespace glmv::hip_plan {
namespace {

constexpr int64_t kMostRows = std::numeric_limits<int32_t>::max();

/// Queries per sequence up to which keys are split instead of queries gathered.
constexpr int64_t kDecodeQueries = 4;

/// Blocks per compute unit that keep the memory busy.
constexpr int64_t kBlocksPerUnit = 2;

bool has_kernel_of(int64_t width) { return width == 16 || width == 32 || width == 64 || width == 96 || width == 128; }

bool aligned(const void* data, size_t bytes) { return reinterpret_cast<uintptr_t>(data) % bytes == 0; }

template <class V>
bool strides_are_multiples(const V& v, int64_t elements) {
  for (int i = 0; i + 1 < v.rank; ++i) {
    if (v.dim[i] > 1 && v.stride[i] % elements != 0) return false;
  }
  return true;
}

/// Whether the place of every row of the pages, in chunks of 8 elements, fits in 32 bits.
bool near(const ConstTensorView& pages) {
  int64_t last = 0;
  for (int i = 0; i < 3; ++i) {
    if (pages.stride[i] < 0) return false;
    last += pages.stride[i] / 8 * std::max<int64_t>(pages.dim[i] - 1, 1);
  }
  return last + pages.dim[3] / 8 < kMostRows;
}

bool adjacent(const ConstTensorView& v) { return v.dim[0] <= 1 || v.stride[0] == 1; }

/// Why the tuned kernels cannot take a call, or null.
const char* refusal(const AttentionArgs& a) {
  const ConstTensorView &k = a.kv.k_pages, &v = a.kv.v_pages;
  if (a.out.dtype != DType::bf16) return "activations are not bf16";
  if (!has_kernel_of(k.dim[3])) return "no kernel for this head width";
  if (!aligned(a.q.data, 16) || !aligned(a.out.data, 16) || !strides_are_multiples(a.q, 8) ||
      !strides_are_multiples(a.out, 8)) {
    return "rows of queries are not aligned";
  }
  if (!aligned(k.data, 16) || !aligned(v.data, 16) || !strides_are_multiples(k, 8)) return "pages are not aligned";
  for (int i = 0; i < 3; ++i) {
    if (k.stride[i] != v.stride[i]) return "keys and values are laid out differently";
  }
  if (!near(k)) return "pages are too far apart";
  if (!adjacent(a.cu_seqlens) || !adjacent(a.kv.lengths)) return "lengths are not adjacent";
  return nullptr;
}

int next_power_of_two(int64_t n) {
  int power = 1;
  while (power < n) power *= 2;
  return power;
}

/// The fewest that fill the device, none below its smallest size.
int choose_splits(int64_t blocks, int64_t room, const Device& device) {
  const int64_t wanted = kBlocksPerUnit * device.compute_units;
  const int64_t filling = (wanted + blocks - 1) / blocks;
  return static_cast<int>(std::clamp<int64_t>(std::min(filling, room / kSmallestSplit), 1, kMostSplits));
}

int count_tiles(const RowTiles& t, const AttentionArgs& a) {
  return t.first(a.q.dim[0], static_cast<int>(a.cu_seqlens.dim[0] - 1));
}

AttentionPlan plan_prefill(const AttentionArgs& a, int tile_blocks) {
  AttentionPlan p;
  p.path = AttentionPath::prefill;
  p.rule = "many queries per sequence, or a group of more than 16";
  p.tile_blocks = tile_blocks;
  p.tiling = {static_cast<int>(a.q.dim[1] / a.kv.kv_heads()), kPrefillRows * tile_blocks};
  p.tiles = count_tiles(p.tiling, a);
  return p;
}

/// Large tiles, of which a compute unit has one, if they keep three fifths of the device busy.
AttentionPlan plan_prefill(const AttentionArgs& a, const Device& device) {
  const AttentionPlan large = plan_prefill(a, kLargeTile);
  const bool fills = 5 * large.tiles * a.kv.kv_heads() >= int64_t{3} * device.compute_units;
  return fills ? large : plan_prefill(a, 1);
}

AttentionPlan plan_decode(const AttentionArgs& a, int64_t group) {
  AttentionPlan p;
  p.path = AttentionPath::decode;
  p.rule = "few queries per sequence";
  p.tiling = {next_power_of_two(group), kDecodeRows};
  p.tiles = count_tiles(p.tiling, a);
  return p;
}

/// A maximum and a sum per row, and a row of sums of weighted values, for each split.
size_t partial_bytes(const AttentionPlan& p, int64_t kv_heads, int64_t width) {
  const int64_t rows = int64_t{p.tiles} * kv_heads * p.splits * kDecodeRows;
  return static_cast<size_t>(rows * (width + 2)) * sizeof(float);
}

}  // namespace

AttentionPlan plan_attention(const AttentionArgs& a, const Device& device) {
  AttentionPlan p;
  const int64_t queries = a.q.dim[0], sequences = a.cu_seqlens.dim[0] - 1, kv_heads = a.kv.kv_heads();
  if (queries == 0 || sequences == 0) return p;
  p.path = AttentionPath::naive;
  p.rule = device.mfma ? refusal(a) : "no matrix instructions";
  if (p.rule != nullptr) return p;

  const int64_t group = a.q.dim[1] / kv_heads, room = a.kv.page_table.dim[1] * a.kv.page_size();
  GLMV_CHECK(2 * queries * group + int64_t{kLargeTile} * kPrefillRows * sequences < kMostRows && room < kMostRows &&
                 kv_heads < 65536,
             "attention: more rows or keys than 32 bits count: q ", a.q, " k ", a.kv.k_pages, " page_table ",
             a.kv.page_table);
  if (group <= kDecodeRows && queries <= kDecodeQueries * sequences) {
    p = plan_decode(a, group);
    p.splits = choose_splits(p.tiles * kv_heads, room, device);
    p.scratch_bytes = partial_bytes(p, kv_heads, a.q.dim[2]);
    return p;
  }
  return plan_prefill(a, device);
}

}  // namespace glmv::hip_plan
