/* glmv_kernel.h: a kernel of your own, checked and timed beside ours.
 *
 * Write a shared library with the four functions below (C, or extern "C"), then
 *
 *     cc -O3 -march=native -shared -fPIC -I bench mine.c -o mine.so
 *     glmv bench rmsnorm --lib ./mine.so
 *
 * It is called with the tensors and arguments of a case, under the names that reference/<op>.h has and `glmv cases CASE
 * --describe` prints. Its result is judged like one of ours before it is timed: a wrong one is INVALID and is not
 * timed. In the end it is given every small case of its ops (odd lengths, one token, in place), which are checked only.
 * bench/examples/rmsnorm.c is a complete one; compiled with -DGLMV_EXAMPLE_OFF_BY_ONE it shows what INVALID looks like.
 */
#ifndef GLMV_KERNEL_H
#define GLMV_KERNEL_H

#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface. It changes with every change of what follows. */
#define GLMV_KERNEL_VERSION 1

/* Types of elements. bf16 is the upper half of a float; e4m3 is OCP FP8 without infinities. */
enum {
  GLMV_F64 = 0,
  GLMV_F32 = 1,
  GLMV_F16 = 2,
  GLMV_BF16 = 3,
  GLMV_F8E4M3 = 4,
  GLMV_I64 = 5,
  GLMV_I32 = 6,
  GLMV_U8 = 7
};

/* Data of the case, in the memory that glmv_kernel_device() names, 64-byte aligned and row-major. Strides count
 * elements: a part of a wider tensor, as "gate" and "up" of a fused "gate_up", has adjacent elements in its last axis
 * only, and is given beside the whole. Experts are tensors "gate.0", "gate.1", ...; of those that no token chooses
 * there is none. */
typedef struct {
  const char* name;
  int32_t dtype, rank;
  int64_t dim[5], stride[5];
  void* data;
  int32_t
      is_output; /* 1: to be written; 0: to be left alone, which is checked. In place: an output with its input in it */
} glmv_tensor;

/* An argument that is no tensor: "eps" is "1e-05", "mask" is "causal". number is its value, or NaN for a word; true is
 * 1 and false is 0. */
typedef struct {
  const char* name;
  const char* text;
  double number;
} glmv_argument;

/* One call. The pointers stay valid until the case is done. */
typedef struct {
  const char* op; /* "rmsnorm": what it computes stands in reference/<op>.h */
  int32_t tensors, arguments;
  const glmv_tensor* tensor;
  const glmv_argument* argument;
  void* stream; /* cudaStream_t or hipStream_t of a device kernel: launch there and do not wait. NULL on the host */
} glmv_call;

/* ---- What the library exports. */

/* GLMV_KERNEL_VERSION as it was compiled with. */
int32_t glmv_kernel_version(void);

/* Names of the ops it has, separated by commas: "rmsnorm,mrope". */
const char* glmv_kernel_ops(void);

/* Where its tensors shall be: "host", "cuda" or "hip". */
const char* glmv_kernel_device(void);

/* Does it. 0 = done; anything else = it does not take these shapes, types or arguments, and the case is left out. What
 * it allocates on the first call of a case it may keep: calls are warmed up before they are timed. */
int32_t glmv_kernel_run(const glmv_call* call);

/* ---- For use inside glmv_kernel_run. */

/* The tensor of that name, or NULL. */
static inline const glmv_tensor* glmv_find_tensor(const glmv_call* call, const char* name) {
  for (int32_t i = 0; i < call->tensors; ++i) {
    if (strcmp(call->tensor[i].name, name) == 0) return &call->tensor[i];
  }
  return NULL;
}

/* The number of that argument, or `otherwise`. */
static inline double glmv_find_number(const glmv_call* call, const char* name, double otherwise) {
  for (int32_t i = 0; i < call->arguments; ++i) {
    if (strcmp(call->argument[i].name, name) == 0) return call->argument[i].number;
  }
  return otherwise;
}

/* The words of that argument, or NULL. */
static inline const char* glmv_find_text(const glmv_call* call, const char* name) {
  for (int32_t i = 0; i < call->arguments; ++i) {
    if (strcmp(call->argument[i].name, name) == 0) return call->argument[i].text;
  }
  return NULL;
}

#ifdef __cplusplus
}
#endif

#endif
