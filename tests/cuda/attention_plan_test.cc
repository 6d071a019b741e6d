// The planner of the CUDA attention kernels: no device, no tensors with data.
#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "cuda/plan/attention.h"

namespace glmv::cuda_plan {
namespace {

constexpr Device kH100 = {132, 227 * kKiB};

struct Call {
  int64_t queries, sequences, heads, kv_heads, width, pages, page_size;
};

/// The arguments of a call; nobody reads their data, so any address that is aligned will do.
AttentionArgs args_of(const Call& c, DType dtype = DType::bf16) {
  alignas(16) static char memory[16];
  void* data = memory;
  AttentionArgs a;
  a.q = make_view(data, dtype, {c.queries, c.heads, c.width});
  a.out = make_view(data, dtype, {c.queries, c.heads, c.width});
  const int64_t pages = c.pages * c.sequences;
  a.kv.k_pages = make_view(data, dtype, {pages, c.page_size, c.kv_heads, c.width});
  a.kv.v_pages = make_view(data, dtype, {pages, c.page_size, c.kv_heads, c.width});
  a.kv.page_table = make_view(data, DType::i32, {c.sequences, c.pages});
  a.kv.lengths = make_view(data, DType::i32, {c.sequences});
  a.cu_seqlens = make_view(data, DType::i32, {c.sequences + 1});
  check(a);
  return a;
}

AttentionPath path_of(const AttentionArgs& a) { return plan_attention(a, kH100).path; }

TEST(Path, ByQueriesPerSequence) {
  EXPECT_EQ(path_of(args_of({1, 1, 96, 8, 128, 512, 64})), AttentionPath::decode);
  EXPECT_EQ(path_of(args_of({64, 64, 96, 8, 128, 512, 64})), AttentionPath::decode);
  EXPECT_EQ(path_of(args_of({4, 1, 96, 8, 128, 512, 64})), AttentionPath::decode);
  EXPECT_EQ(path_of(args_of({5, 1, 96, 8, 128, 512, 64})), AttentionPath::prefill);
  EXPECT_EQ(path_of(args_of({4096, 1, 12, 12, 128, 4096, 1})), AttentionPath::prefill);
  EXPECT_EQ(path_of(args_of({1, 1, 17, 1, 128, 512, 64})), AttentionPath::prefill) << "17 rows are more than a tile";
  EXPECT_EQ(path_of(args_of({0, 1, 96, 8, 128, 512, 64})), AttentionPath::nothing);
}

TEST(Path, NaiveForAReason) {
  const Call text = {8, 1, 96, 8, 128, 8, 64};
  EXPECT_STREQ(plan_attention(args_of(text, DType::f32), kH100).rule, "activations are not bf16");
  EXPECT_STREQ(plan_attention(args_of({8, 1, 4, 4, 12, 8, 64}), kH100).rule, "no kernel for this head width");

  AttentionArgs odd = args_of(text);
  odd.q.stride[0] += 1;
  EXPECT_STREQ(plan_attention(odd, kH100).rule, "queries are not pairs of bf16");
  AttentionArgs unaligned = args_of(text);
  unaligned.kv.k_pages.stride[1] += 4, unaligned.kv.v_pages.stride[1] += 4;
  EXPECT_STREQ(plan_attention(unaligned, kH100).rule, "pages are not aligned");
  AttentionArgs unlike = args_of(text);
  unlike.kv.v_pages.stride[1] += 8;
  EXPECT_STREQ(plan_attention(unlike, kH100).rule, "keys and values are laid out differently");
  AttentionArgs spread = args_of({8, 2, 96, 8, 128, 8, 64});
  spread.cu_seqlens.stride[0] = 2;
  AttentionArgs far = args_of(text);
  far.kv.k_pages.stride[0] = far.kv.v_pages.stride[0] = int64_t{1} << 33;
  EXPECT_STREQ(plan_attention(far, kH100).rule, "pages are too far apart");
  EXPECT_STREQ(plan_attention(spread, kH100).rule, "lengths are not adjacent");
  EXPECT_EQ(path_of(spread), AttentionPath::naive);
}

TEST(Path, TooMuchIsAnErrorBeforeAnyLaunch) {
  EXPECT_THROW(plan_attention(args_of({int64_t{1} << 28, 1, 96, 8, 128, 8, 64}), kH100), Error);
  AttentionArgs long_table = args_of({8, 1, 96, 8, 128, 8, 64});
  long_table.kv.page_table.dim[1] = int64_t{1} << 26;
  EXPECT_THROW(plan_attention(long_table, kH100), Error);
}

/// What one kernel needs and a device lacks another may do without.
TEST(Path, BySharedMemory) {
  const AttentionArgs decode = args_of({1, 1, 96, 8, 128, 512, 64});
  EXPECT_EQ(plan_attention(decode, {128, 99 * kKiB}).path, AttentionPath::prefill) << "consumer cards: 99 KiB";
  EXPECT_STREQ(plan_attention(decode, {128, 48 * kKiB}).rule, "too little shared memory");
  EXPECT_EQ(plan_attention(args_of({1, 1, 96, 8, 32, 512, 64}), {128, 48 * kKiB}).path, AttentionPath::decode);
}

TEST(Path, MoreRowsPerWarpWhereTheyFillTheDevice) {
  const AttentionPlan large = plan_attention(args_of({4096, 1, 96, 8, 128, 64, 64}), kH100);
  EXPECT_EQ(large.row_blocks, 2);
  EXPECT_EQ(large.tiles, 4096 * 12 / 128 + 1);
  EXPECT_EQ(plan_attention(args_of({64, 1, 96, 8, 128, 64, 64}), kH100).row_blocks, 1);
}

TEST(Memory, OfABlockAndOfTheSplits) {
  const AttentionPlan prefill = plan_attention(args_of({4096, 1, 96, 8, 128, 64, 64}), kH100);
  EXPECT_EQ(prefill.shared_bytes, (128u + 2 * 2 * 32) * (128 + 8) * 2);
  EXPECT_LE(2 * (prefill.shared_bytes + 1024), 164u * 1024) << "two blocks per multiprocessor of an A100";
  EXPECT_EQ(prefill.scratch_bytes, 0u);
  const AttentionPlan decode = plan_attention(args_of({1, 1, 96, 8, 128, 512, 64}), kH100);
  EXPECT_EQ(decode.shared_bytes, (16u + 3 * 2 * 64) * (128 + 8) * 2);
  EXPECT_LE(2 * (decode.shared_bytes + 1024), 228u * 1024) << "two blocks per multiprocessor of an H100";
  EXPECT_EQ(decode.scratch_bytes, 8u * static_cast<size_t>(decode.splits) * 16 * (128 + 2) * sizeof(float));
}

/// kernels.md 4.4: the fewest that give 1.7 blocks per multiprocessor, each at least 128 keys, at most 64.
TEST(Splits, TheFewestThatFillTheDevice) {
  const auto splits = [](int64_t sequences, int64_t pages) {
    return plan_attention(args_of({sequences, sequences, 96, 8, 128, pages, 64}), kH100).splits;
  };
  EXPECT_EQ(splits(1, 512), 29);  // 8 x 29 = 232 >= 225
  EXPECT_EQ(splits(1, 16), 8);    // 1024 keys
  EXPECT_EQ(splits(1, 1), 1);     // less than 128
  EXPECT_EQ(splits(8, 512), 4);
  EXPECT_EQ(splits(64, 512), 1);
  EXPECT_EQ(plan_attention(args_of({1, 1, 12, 1, 128, 2048, 64}), kH100).splits, 64);
}

TEST(Splits, SharesCoverEveryKeyOnce) {
  for (const int splits : {1, 2, 3, 5, 29, 64}) {
    for (int keys = 0; keys < 9000; keys += keys < 700 ? 1 : 97) {
      int end = 0, largest = 0;
      for (int s = 0; s < splits; ++s) {
        const KeyRange share = split_share(keys, splits, s);
        ASSERT_EQ(share.begin, end) << keys << " keys, split " << s << " of " << splits;
        ASSERT_TRUE(share.begin == keys || share.begin % kSplitStep == 0);
        end = share.end;
        largest = std::max(largest, share.end - share.begin);
      }
      ASSERT_EQ(end, keys);
      ASSERT_LE(largest, std::max(kSmallestSplit, (keys + splits - 1) / splits + kSplitStep));
    }
  }
}

TEST(Splits, SharesOfTheLongestSequenceDoNotOverflow) {
  const int keys = 0x7fffffff - 64;
  EXPECT_EQ(split_share(keys, 64, 63).end, keys);
}

/// Every row of every sequence lies in one tile of its sequence.
void expect_covered(const RowTiles& t, const std::vector<int32_t>& queries) {
  std::vector<int32_t> cu = {0};
  for (const int32_t n : queries) cu.push_back(cu.back() + n);
  const auto sequences = static_cast<int>(queries.size());
  std::vector<int> covered(queries.size(), 0);
  for (int tile = 0; tile < t.first(cu.back(), sequences); ++tile) {
    const int b = t.sequence_of(tile, cu.data(), sequences);
    ASSERT_GE(b, 0);
    ASSERT_LT(b, sequences);
    const int first = (tile - t.first(cu[static_cast<size_t>(b)], b)) * t.rows;
    ASSERT_GE(first, 0);
    const int rows = std::min(queries[static_cast<size_t>(b)] * t.pitch - first, t.rows);
    if (rows <= 0) continue;
    EXPECT_EQ(first, covered[static_cast<size_t>(b)]) << "tile " << tile << " of sequence " << b;
    covered[static_cast<size_t>(b)] += rows;
  }
  for (size_t b = 0; b < queries.size(); ++b) EXPECT_EQ(covered[b], queries[b] * t.pitch) << "sequence " << b;
}

TEST(Tiles, CoverEveryRowOnce) {
  const std::vector<std::vector<int32_t>> batches = {
      {1}, {7}, {64}, {65, 1, 64}, {0, 3}, {3, 0, 0, 5, 0}, {1, 1, 1, 1, 1, 1, 1}, {6, 8, 1, 129}, {0}, {0, 0, 2}};
  for (const auto& queries : batches) {
    for (const int pitch : {1, 2, 3, 8, 12, 16, 17, 24, 64, 96}) {
      for (const int rows : {16, 64}) expect_covered({pitch, rows}, queries);
    }
  }
}

/// One query each, 12 heads on one kv head: a tile of 16 rows for each, and no block that finds nothing to do.
TEST(Tiles, OfADecodeStepAreAsManyAsSequences) {
  for (const int64_t sequences : {1, 3, 64}) {
    const AttentionPlan p = plan_attention(args_of({sequences, sequences, 96, 8, 128, 512, 64}), kH100);
    EXPECT_EQ(p.tiles, sequences);
    EXPECT_EQ(p.tiling.pitch, 16);
  }
}

/// Eight rows that one matrix of an ldmatrix names lie in eight different groups of four banks.
TEST(SharedMemory, EightRowsMeetNoBankTwice) {
  for (const int width : {16, 32, 64, 96, 128}) {
    unsigned groups = 0;
    for (int row = 0; row < 8; ++row) groups |= 1u << row * row_elements(width) / 8 % 8;
    EXPECT_EQ(groups, 0xffu) << width;
    EXPECT_EQ(row_elements(width) % 8, 0) << "16 bytes are the unit of cp.async and ldmatrix";
  }
}

}  // namespace
}  // namespace glmv::cuda_plan
