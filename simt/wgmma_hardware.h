// Bodies of simt/ptx_sm90.h for nvcc: wgmma. The compiler takes registers of D one by one, so they are listed.
#pragma once

#include "simt/ptx.h"

namespace glmv::ptx {

// Operands 0 .. 63 and 64 .. 127 of an instruction, in its text and as registers.
#define GLMV_TEXT_0_63                                                                                             \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, " \
  "%24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, " \
  "%46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define GLMV_TEXT_64_127                                                                                             \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, "   \
  "%86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, " \
  "%107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, "     \
  "%125, %126, %127"
#define GLMV_TEXT_64 "{" GLMV_TEXT_0_63 "}, "
#define GLMV_TEXT_128 "{" GLMV_TEXT_0_63 ", " GLMV_TEXT_64_127 "}, "
#define GLMV_REGISTERS_8(d, i)                                                                                      \
  "+f"((d)[i]), "+f"((d)[(i) + 1]), "+f"((d)[(i) + 2]), "+f"((d)[(i) + 3]), "+f"((d)[(i) + 4]), "+f"((d)[(i) + 5]), \
      "+f"((d)[(i) + 6]), "+f"((d)[(i) + 7])
#define GLMV_REGISTERS_32(d, i) \
  GLMV_REGISTERS_8(d, i), GLMV_REGISTERS_8(d, (i) + 8), GLMV_REGISTERS_8(d, (i) + 16), GLMV_REGISTERS_8(d, (i) + 24)
#define GLMV_REGISTERS_64(d) GLMV_REGISTERS_32(d, 0), GLMV_REGISTERS_32(d, 32)
#define GLMV_REGISTERS_128(d) GLMV_REGISTERS_64(d), GLMV_REGISTERS_32(d, 64), GLMV_REGISTERS_32(d, 96)

// `a`, `b`, `p`: numbers of the operands behind those of D. The last immediates: both scales 1, A K-major, B as said.
#define GLMV_WGMMA(n, d_text, a, b, p, majors) \
  "{\n.reg .pred add;\nsetp.ne.b32 add, " p    \
  ", 0;\n"                                     \
  "wgmma.mma_async.sync.aligned.m64n" n "k16.f32.bf16.bf16 " d_text a ", " b ", add, 1, 1, " majors ";\n}"

__device__ __forceinline__ uint64_t wgmma_descriptor(const void* p, unsigned leading, unsigned stride) {
  return simt::encode({shared_address(p), leading, stride});
}

__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

namespace detail {
// To the compiler a register of D has its value as soon as wgmma is issued; this keeps reads of it behind the wait.
template <int Count>
__device__ __forceinline__ void changed(float (&d)[Count]) {
  GPU_UNROLL
  for (int i = 0; i < Count; ++i) asm volatile("" : "+f"(d[i])::"memory");
}
}  // namespace detail

template <unsigned Open>
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Open) : "memory");
}
template <unsigned Open, int Count>
__device__ __forceinline__ void wgmma_wait(float (&d)[Count]) {
  wgmma_wait<Open>();
  detail::changed(d);
}

__device__ __forceinline__ void wgmma(float (&d)[64], uint64_t a, uint64_t b, bool accumulate) {
  asm volatile(GLMV_WGMMA("128", GLMV_TEXT_64, "%64", "%65", "%66", "0, 0")
               : GLMV_REGISTERS_64(d)
               : "l"(a), "l"(b), "r"(int(accumulate)));
}
__device__ __forceinline__ void wgmma(float (&d)[128], uint64_t a, uint64_t b, bool accumulate) {
  asm volatile(GLMV_WGMMA("256", GLMV_TEXT_128, "%128", "%129", "%130", "0, 0")
               : GLMV_REGISTERS_128(d)
               : "l"(a), "l"(b), "r"(int(accumulate)));
}

template <Major BMajor>
__device__ __forceinline__ void wgmma(float (&d)[64], const uint32_t (&a)[4], uint64_t b, bool accumulate) {
  static_assert(BMajor == Major::mn, "the only one in use");
  asm volatile(GLMV_WGMMA("128", GLMV_TEXT_64, "{%64, %65, %66, %67}", "%68", "%69", "1")
               : GLMV_REGISTERS_64(d)
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(int(accumulate)));
}

#undef GLMV_WGMMA
#undef GLMV_REGISTERS_128
#undef GLMV_REGISTERS_64
#undef GLMV_REGISTERS_32
#undef GLMV_REGISTERS_8
#undef GLMV_TEXT_128
#undef GLMV_TEXT_64
#undef GLMV_TEXT_64_127
#undef GLMV_TEXT_0_63

}  // namespace glmv::ptx
