/* A kernel of one's own: out = x / sqrt(mean(x^2) + eps) * weight, rounded where the Hugging Face model rounds.
 *
 *     cc -O3 -march=native -shared -fPIC -I bench bench/examples/rmsnorm.c -o rmsnorm.so -lm
 *     glmv bench rmsnorm --lib ./rmsnorm.so
 */
#include <math.h>

#include "glmv_kernel.h"

static float widen(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

/* To nearest, ties to even. */
static uint16_t narrow(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

int32_t glmv_kernel_version(void) { return GLMV_KERNEL_VERSION; }
const char* glmv_kernel_ops(void) { return "rmsnorm"; }
const char* glmv_kernel_device(void) { return "host"; }

int32_t glmv_kernel_run(const glmv_call* call) {
  const glmv_tensor *x = glmv_find_tensor(call, "x"), *weight = glmv_find_tensor(call, "weight"),
                    *out = glmv_find_tensor(call, "out");
  if (x == NULL || weight == NULL || out == NULL) return 1;
  if (x->dtype != GLMV_BF16 || weight->dtype != GLMV_BF16 || strcmp(glmv_find_text(call, "rounding"), "hf") != 0)
    return 1;
  const float eps = (float)glmv_find_number(call, "eps", 0);
  const int64_t width = x->dim[1];
  const uint16_t* w = weight->data;
  for (int64_t t = 0; t < x->dim[0]; ++t) {
    const uint16_t* row = (const uint16_t*)x->data + t * x->stride[0];
    uint16_t* to = (uint16_t*)out->data + t * out->stride[0];
    float sums[16] = {0};
    for (int64_t i = 0; i < width; ++i) sums[i % 16] += widen(row[i]) * widen(row[i]);
    float sum = 0;
    for (int i = 0; i < 16; ++i) sum += sums[i];
    const float scale = 1.0f / sqrtf(sum / (float)width + eps);
#ifdef GLMV_EXAMPLE_OFF_BY_ONE /* what a test plants: the last element gets its neighbour's weight */
    for (int64_t i = 0; i < width; ++i)
      to[i] = narrow(widen(narrow(widen(row[i]) * scale)) * widen(w[i == width - 1 ? i - 1 : i]));
#else
    for (int64_t i = 0; i < width; ++i) to[i] = narrow(widen(narrow(widen(row[i]) * scale)) * widen(w[i]));
#endif
  }
  return 0;
}
