#define GLMV_BACKEND cuda_emulated
#include <cuda_runtime.h>
#include <gtest/gtest.h>
#include <vector>
#include "tests/simt/kernels/kernels.h"
TEST(Smoke, Softmax) {
  std::vector<float> x(3 * 1000), y(3 * 1000);
  for (size_t i = 0; i < x.size(); ++i) x[i] = float(i % 37) * 0.1f;
  float *dx, *dy;
  cudaMalloc(&dx, 12000);
  cudaMalloc(&dy, 12000);
  cudaMemcpy(dx, x.data(), 12000, cudaMemcpyHostToDevice);
  for (auto order : {glmv::simt::Order::forward, glmv::simt::Order::reverse, glmv::simt::Order::random}) {
    glmv::simt::settings().order = order;
    ASSERT_EQ(glmv::cuda_emulated::softmax(dx, dy, 3, 1000), cudaSuccess) << cudaGetErrorString(cudaGetLastError());
    cudaMemcpy(y.data(), dy, 12000, cudaMemcpyDeviceToHost);
    double s = 0;
    for (int i = 0; i < 1000; ++i) s += y[i];
    EXPECT_NEAR(s, 1, 1e-5);
  }
  cudaFree(dx);
  cudaFree(dy);
}
