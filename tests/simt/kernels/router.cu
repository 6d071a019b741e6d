// Top 8 of 128 scores: one warp per token, eight rounds of a warp maximum, ties to the lower id, counts by atomics.
#include "tests/simt/kernels/kernels.h"
#include "tests/simt/kernels/portable.h"

GLMV_DECLARE_PORTABLE_KERNELS(GLMV_BACKEND)

namespace glmv::GLMV_BACKEND {
namespace {

constexpr int kExperts = 128, kChosen = 8, kTokensPerBlock = 4;

struct Candidate {
  float score;
  int id;
};

__device__ Candidate better(Candidate a, Candidate b) {
  return b.score > a.score || (b.score == a.score && b.id < a.id) ? b : a;
}

template <int kWidth>
__device__ Candidate warp_best(Candidate c) {
  for (int offset = kWidth / 2; offset > 0; offset /= 2) {
    const Candidate other = {WARP_XOR(c.score, offset), WARP_XOR(c.id, offset)};
    c = better(c, other);
  }
  return c;
}

template <int kWidth>
__global__ void __launch_bounds__(kTokensPerBlock* kWidth)
    router_kernel(const float* scores, int* ids, float* weights, unsigned* histogram, int tokens) {
  constexpr int kPerLane = kExperts / kWidth;
  const int lane = threadIdx.x % kWidth, token = blockIdx.x * kTokensPerBlock + threadIdx.x / kWidth;
  if (token >= tokens) return;  // a whole warp; there is no barrier below
  float mine[kPerLane];
  for (int i = 0; i < kPerLane; ++i) mine[i] = scores[token * kExperts + i * kWidth + lane];
  float sum = 0.0f, kept = 0.0f;
  for (int choice = 0; choice < kChosen; ++choice) {
    Candidate best = {__uint_as_float(0xff800000u), kExperts};
    for (int i = 0; i < kPerLane; ++i) best = better(best, {mine[i], i * kWidth + lane});
    best = warp_best<kWidth>(best);
    if (best.id % kWidth == lane) mine[best.id / kWidth] = __uint_as_float(0xff800000u);
    if (lane == choice) {
      kept = best.score;
      ids[token * kChosen + choice] = best.id;
      atomicAdd(&histogram[best.id], 1u);
    }
    sum += best.score;
  }
  if (lane < kChosen) weights[token * kChosen + lane] = kept / sum;
}

}  // namespace

const char* router(const float* scores, int* ids, float* weights, unsigned* histogram, int tokens, int width) {
  const auto kernel = width == 64 ? router_kernel<64> : router_kernel<32>;
  const int blocks = (tokens + kTokensPerBlock - 1) / kTokensPerBlock;
  return GPU_ERROR_TEXT(
      gpu_launch(kernel, blocks, kTokensPerBlock * width, 0, nullptr, scores, ids, weights, histogram, tokens));
}

}  // namespace glmv::GLMV_BACKEND
