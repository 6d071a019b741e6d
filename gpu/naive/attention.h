#include "reference/attention.h"

#include "gpu/elements.h"
#include "gpu/naive/ops.h"

// Three kernels over a table of scores [T, Hq, S] in f32, S the keys that a row of the page table has room for. The
// table is why this rung is for checking and not for long prompts.
namespace glmv::GLMV_BACKEND::naive {
namespace {

int64_t room_for_keys(const AttentionArgs& a) { return a.kv.page_table.dim[1] * a.kv.page_size(); }

/// The sequence that owns a query, and what the query may see.
struct Query {
  int64_t sequence, visible;  ///< keys 0 .. visible - 1

  __device__ Query(const AttentionArgs& a, int64_t t) : sequence(0), visible(0) {
    while (sequence < a.cu_seqlens.dim[0] - 1 && t >= int_at(a.cu_seqlens, sequence + 1)) ++sequence;
    if (sequence >= a.cu_seqlens.dim[0] - 1) return;  // a row that no sequence owns sees nothing
    const int64_t keys = int_at(a.kv.lengths, sequence), end = int_at(a.cu_seqlens, sequence + 1);
    visible = a.mask == Mask::full ? keys : keys - (end - t) + 1;
    if (visible < 0) visible = 0;
  }
};

/// Element d of key (or value) s of a sequence.
__device__ float from_pages(const ConstTensorView& pages, const KvView& kv, int64_t sequence, int64_t s, int64_t head,
                            int64_t d) {
  const int64_t page_size = pages.dim[1], page = int_at(kv.page_table, sequence, s / page_size);
  const int64_t at = page * pages.stride[0] + s % page_size * pages.stride[1] + head * pages.stride[2] + d;
  return load(pages.data, pages.dtype, at);
}

/// One thread per score.
__global__ void score_kernel(AttentionArgs a, float* scores, int64_t room, DType inner) {
  const int64_t heads = a.q.dim[1], group = heads / a.kv.k_pages.dim[2];
  const int64_t t = thread_number() / (heads * room), h = thread_number() / room % heads, s = thread_number() % room;
  if (t >= a.q.dim[0]) return;
  const Query query(a, t);
  if (s >= query.visible) return;
  float sum = 0;
  for (int64_t d = 0; d < a.q.dim[2]; ++d)
    sum = fmaf(get(a.q, t, h, d), from_pages(a.kv.k_pages, a.kv, query.sequence, s, h / group, d), sum);
  scores[thread_number()] = round_to(inner, round_to(inner, sum) * a.scale);
}

/// One thread per query and head: scores become probabilities.
__global__ void softmax_kernel(AttentionArgs a, float* scores, int64_t room, DType inner) {
  const int64_t t = thread_number() / a.q.dim[1];
  if (t >= a.q.dim[0]) return;
  const Query query(a, t);
  float* row = scores + thread_number() * room;
  float largest = -INFINITY, total = 0;
  for (int64_t s = 0; s < query.visible; ++s) largest = fmaxf(largest, row[s]);
  for (int64_t s = 0; s < query.visible; ++s) total += row[s] = expf(row[s] - largest);
  for (int64_t s = 0; s < query.visible; ++s) row[s] = round_to(inner, row[s] / total);
}

/// One thread per output.
__global__ void weigh_kernel(AttentionArgs a, const float* scores, int64_t room) {
  const int64_t heads = a.q.dim[1], width = a.q.dim[2], group = heads / a.kv.k_pages.dim[2];
  const int64_t t = thread_number() / (heads * width), h = thread_number() / width % heads, d = thread_number() % width;
  if (t >= a.q.dim[0]) return;
  const Query query(a, t);
  const float* row = scores + (t * heads + h) * room;
  float sum = 0;
  for (int64_t s = 0; s < query.visible; ++s)
    sum = fmaf(row[s], from_pages(a.kv.v_pages, a.kv, query.sequence, s, h / group, d), sum);
  set(a.out, sum, t, h, d);
}

}  // namespace

size_t attention_scratch(const AttentionArgs& a) {
  return static_cast<size_t>(a.q.dim[0] * a.q.dim[1] * room_for_keys(a)) * sizeof(float);
}

void attention(const AttentionArgs& a, Exec exec) {
  check(a);
  check_type("attention", a.out.dtype);
  GLMV_CHECK(exec.scratch.bytes >= attention_scratch(a), "attention needs ", attention_scratch(a),
             " bytes of scratch, got ", exec.scratch.bytes);
  const DType inner = inner_type(a.rounding, a.out.dtype);
  const int64_t rows = a.q.dim[0] * a.q.dim[1], room = room_for_keys(a);
  auto* scores = static_cast<float*>(exec.scratch.data);
  GLMV_LAUNCH_EACH(score_kernel, rows * room, exec, a, scores, room, inner);
  GLMV_LAUNCH_EACH(softmax_kernel, rows, exec, a, scores, room, inner);
  GLMV_LAUNCH_EACH(weigh_kernel, a.out.size(), exec, a, scores, room);
}

}  // namespace glmv::GLMV_BACKEND::naive
