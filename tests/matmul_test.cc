// The product: right against double, and the same bits for every number of rows and threads.
#include "reference/core/matmul.h"
#include "reference/core/compare.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "reference/core/arena.h"
#include "reference/core/parallel.h"
#include "reference/core/procedural.h"

namespace glmv {
namespace {

struct Operands {
  Tensor x, data, scale, bias, out;
  Weight w;

  Operands(DType activation, Format format, int64_t rows, int64_t n, int64_t k, DType plain = DType::bf16)
      : x(activation, {rows, k}), bias(DType::bf16, {n}), out(activation, {rows, n}) {
    fill_procedural("x", {1, 0}, x.view);
    fill_procedural("bias", {1, 0}, bias.view);
    data = Tensor(format == Format::plain ? plain : DType::f8e4m3, {n, k});
    fill_procedural("w", {format == Format::plain ? 1.0 : 400.0, 0}, data.view);
    w.format = format;
    w.data = data.view;
    if (format == Format::fp8_per_row) {
      scale = Tensor(DType::f32, {n, 1});
      fill_procedural("scale", {0.001, 0.003}, scale.view);
      w.scale = scale.view;
    }
  }
};

/// Checks every element against a plain double loop and the bound gamma_k * sum |x||w|, plus the output's rounding.
void expect_right(const Operands& o, const Tensor& out, const std::string& what) {
  const Tensor x = f64_of(o.x.view), w = f64_of(o.data.view), bias = f64_of(o.bias.view), got = f64_of(out.view);
  const int64_t rows = o.x.view.dim[0], n = o.data.view.dim[0], k = o.data.view.dim[1];
  const double unit = out.view.dtype == DType::f64 ? 0x1p-53 : 0x1p-24;
  for (int64_t t = 0; t < rows; ++t) {
    for (int64_t j = 0; j < n; ++j) {
      const double scale = o.scale ? static_cast<double>(o.scale.data<float>()[j]) : 1;
      double sum = bias.data<double>()[j], size = std::abs(sum);
      for (int64_t i = 0; i < k; ++i) {
        const double product = x.data<double>()[t * k + i] * w.data<double>()[j * k + i] * scale;
        sum += product;
        size += std::abs(product);
      }
      const double operations = static_cast<double>(k) + 3;
      const double bound = operations * unit / (1 - operations * unit) * size +
                           (out.view.dtype == DType::f64 ? 0 : ulp_at(out.view.dtype, sum));
      ASSERT_LE(std::abs(got.data<double>()[t * n + j] - sum), bound) << what << " [" << t << ',' << j << ']';
    }
  }
}

TEST(Matmul, IsTheProductInEveryOrderTypeAndShape) {
  for (const DType activation : {DType::f64, DType::f32, DType::bf16}) {
    for (const Format format : {Format::plain, Format::fp8_per_row}) {
      for (const auto& [rows, n, k] : {std::tuple{1, 1, 1},
                                       {1, 9, 33},
                                       {1, 40, 523},
                                       {2, 8, 16},
                                       {7, 13, 515},
                                       {16, 5, 1024},
                                       {67, 34, 130},
                                       {7, 96, 300}}) {
        Operands o(activation, format, rows, n, k);
        for (const Reduction r : legal_reductions(1)) {
          Tensor out(activation, o.out.view);
          matmul(o.x.view, o.w, o.bias.view, out.view, r);
          expect_right(o, out,
                       concat(name_of(activation), " rows ", rows, " n ", n, " k ", k, " order ", static_cast<int>(r)));
        }
      }
    }
  }
}

TEST(Matmul, ARowHasTheSameBitsAloneAndAmongMany) {
  for (const DType activation : {DType::f64, DType::f32, DType::bf16}) {
    for (const Format format : {Format::plain, Format::fp8_per_row}) {
      for (const auto& [n, k] : {std::pair{24, 64}, {37, 1000}, {37, 525}, {5, 4097}}) {
        const int64_t rows = std::min<int64_t>(150, blas_rows() - 1);
        Operands o(activation, format, rows, n, k);
        matmul(o.x.view, o.w, o.bias.view, o.out.view);
        for (const int64_t some : {1, 2, 3, 5, 16, 17, 64}) {
          for (int64_t begin = 0; begin + some <= rows; begin += 61) {
            Tensor part(activation, {some, n});
            matmul(slice(o.x.view, 0, begin, begin + some), o.w, o.bias.view, part.view);
            const ConstTensorView expected = slice(o.out.view, 0, begin, begin + some);
            ASSERT_EQ(std::memcmp(expected.data, part.view.data, static_cast<size_t>(part.view.bytes())), 0)
                << name_of(activation) << " n " << n << " k " << k << " rows " << some << " from " << begin;
          }
        }
      }
    }
  }
}

TEST(Matmul, WeightsStoredAsF32) {
  for (const int64_t rows : {1, 9, 70}) {
    const Operands o(DType::f32, Format::plain, rows, 40, 523, DType::f32);
    matmul(o.x.view, o.w, o.bias.view, o.out.view);
    expect_right(o, o.out, concat("f32 weights, rows ", rows));
  }
}

TEST(Matmul, ThreadsDoNotChangeBits) {
  const int threads = thread_count();
  Operands o(DType::f32, Format::plain, 70, 131, 700);
  Tensor one(DType::f32, o.out.view);
  set_thread_count(1);
  matmul(o.x.view, o.w, o.bias.view, one.view);
  for (const int n : {2, 3, 7}) {
    set_thread_count(n);
    matmul(o.x.view, o.w, o.bias.view, o.out.view);
    EXPECT_EQ(std::memcmp(one.view.data, o.out.view.data, static_cast<size_t>(one.view.bytes())), 0) << n << " threads";
  }
  set_thread_count(threads);
}

TEST(Matmul, WrongShapesAreErrors) {
  Operands o(DType::f32, Format::plain, 3, 4, 5);
  Tensor narrow(DType::f32, {3, 3});
  EXPECT_THROW(matmul(o.x.view, o.w, {}, narrow.view), Error);
  EXPECT_THROW(matmul(slice(o.x.view, 1, 0, 4), o.w, {}, o.out.view), Error);
}

}  // namespace
}  // namespace glmv
