// Captured streams and graphs: what is replayed, and what a device forbids while a stream is captured.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include "simt/gpu.h"
#include "tests/simt/device_array.h"

namespace glmv::simt {
namespace {

__global__ void add_kernel(const int* x, int* sum, int factor) { sum[threadIdx.x] += factor * x[threadIdx.x]; }

struct Stream {
  cudaStream_t handle = nullptr;
  Stream() { EXPECT_EQ(cudaStreamCreate(&handle), cudaSuccess); }
  ~Stream() { EXPECT_EQ(cudaStreamDestroy(handle), cudaSuccess); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void begin() const { ASSERT_EQ(cudaStreamBeginCapture(handle, cudaStreamCaptureModeThreadLocal), cudaSuccess); }
};

cudaError_t add(const DeviceArray<int>& x, const DeviceArray<int>& sum, int factor, cudaStream_t stream) {
  return gpu_launch(add_kernel, dim3(1), dim3(4), 0, stream, x.data(), sum.data(), factor);
}

TEST(Capture, AGraphRunsWhatWasCapturedEachTimeItIsLaunched) {
  const DeviceArray<int> x(std::vector<int>{1, 2, 3, 4}), sum(std::vector<int>{0, 0, 0, 0}), copy(4);
  const Stream stream;
  stream.begin();
  int factor = 10;
  EXPECT_EQ(add(x, sum, factor, stream.handle), cudaSuccess);
  factor = 1000;  // the graph has the argument as it was
  EXPECT_EQ(cudaMemcpyAsync(copy.data(), sum.data(), 16, cudaMemcpyDeviceToDevice, stream.handle), cudaSuccess);
  EXPECT_EQ(cudaMemsetAsync(sum.data(), 0, 4, stream.handle), cudaSuccess);
  EXPECT_EQ(sum.values(), (std::vector<int>{0, 0, 0, 0})) << "nothing runs while it is captured";
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  size_t nodes = 0;
  ASSERT_EQ(cudaStreamEndCapture(stream.handle, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphGetNodes(graph, nullptr, &nodes), cudaSuccess);
  EXPECT_EQ(nodes, 3u);
  ASSERT_EQ(cudaGraphInstantiateWithFlags(&exec, graph, 0), cudaSuccess);
  ASSERT_EQ(cudaGraphDestroy(graph), cudaSuccess);
  for (int i = 0; i < 2; ++i) ASSERT_EQ(cudaGraphLaunch(exec, stream.handle), cudaSuccess);
  EXPECT_EQ(copy.values(), (std::vector<int>{10, 40, 60, 80}));
  EXPECT_EQ(sum.values(), (std::vector<int>{0, 40, 60, 80}));
  EXPECT_EQ(cudaGraphExecDestroy(exec), cudaSuccess);
}

TEST(Capture, AMistakeInAKernelOfAGraphIsReportedWhenItRuns) {
  const DeviceArray<int> x(4), sum(4);
  const Stream stream;
  stream.begin();
  EXPECT_EQ(gpu_launch(add_kernel, dim3(1), dim3(2048), 0, stream.handle, x.data(), sum.data(), 1), cudaSuccess);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream.handle, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiateWithFlags(&exec, graph, 0), cudaSuccess);
  EXPECT_EQ(cudaGraphLaunch(exec, stream.handle), cudaErrorInvalidConfiguration);
  EXPECT_NE(std::string(cudaGetErrorString(cudaGetLastError())).find("add_kernel"), std::string::npos);
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
}

/// Calls `forbidden` while a stream is captured: it must fail with a text that has `word`, and spoil the capture.
template <class F>
void expect_spoiled(const char* word, cudaError_t error, F forbidden) {
  const Stream stream;
  stream.begin();
  EXPECT_EQ(forbidden(stream.handle), error) << word;
  const std::string text = cudaGetErrorString(cudaGetLastError());
  EXPECT_NE(text.find(word), std::string::npos) << text;
  EXPECT_NE(text.find("captured"), std::string::npos) << text;
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  EXPECT_EQ(cudaStreamIsCapturing(stream.handle, &status), cudaSuccess);
  EXPECT_EQ(status, cudaStreamCaptureStatusInvalidated);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream.handle, &graph), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(cudaGetLastError(), cudaErrorStreamCaptureInvalidated);
  EXPECT_EQ(graph, nullptr);
  EXPECT_EQ(cudaDeviceSynchronize(), cudaSuccess) << "allowed again";
}

TEST(Capture, WhatADeviceForbidsSpoilsIt) {
  const DeviceArray<int> x(std::vector<int>{1, 2, 3, 4});
  int host[4] = {};
  int* more = nullptr;
  const cudaError_t unsupported = cudaErrorStreamCaptureUnsupported, implicit = cudaErrorStreamCaptureImplicit;
  expect_spoiled("cudaMalloc", unsupported, [&](cudaStream_t) { return cudaMalloc(&more, 4); });
  expect_spoiled("cudaFree", unsupported, [&](cudaStream_t) { return cudaFree(x.data()); });
  expect_spoiled("cudaMemcpy", unsupported,
                 [&](cudaStream_t) { return cudaMemcpy(host, x.data(), 16, cudaMemcpyDeviceToHost); });
  expect_spoiled("cudaStreamSynchronize", unsupported, [](cudaStream_t s) { return cudaStreamSynchronize(s); });
  expect_spoiled("cudaDeviceSynchronize", unsupported, [](cudaStream_t) { return cudaDeviceSynchronize(); });
  expect_spoiled("cudaStreamQuery", unsupported, [](cudaStream_t s) { return cudaStreamQuery(s); });
  expect_spoiled("cudaMallocHost did not return", unsupported,
                 [&](cudaStream_t s) { return cudaMemcpyAsync(x.data(), host, 16, cudaMemcpyHostToDevice, s); });
  expect_spoiled("add_kernel", implicit, [&](cudaStream_t) { return add(x, x, 1, nullptr); });
  expect_spoiled("cudaMemsetAsync", implicit, [&](cudaStream_t) { return cudaMemsetAsync(x.data(), 0, 16); });
  EXPECT_EQ(more, nullptr);
  EXPECT_EQ(x.values(), (std::vector<int>{1, 2, 3, 4}));
}

TEST(Capture, PinnedHostMemoryIsReadWhenTheGraphRuns) {
  const DeviceArray<int> x(1);
  const Stream stream;
  int* pinned = nullptr;
  ASSERT_EQ(cudaMallocHost(&pinned, 4), cudaSuccess);
  stream.begin();
  EXPECT_EQ(cudaMemcpyAsync(x.data(), pinned, 4, cudaMemcpyHostToDevice, stream.handle), cudaSuccess);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  ASSERT_EQ(cudaStreamEndCapture(stream.handle, &graph), cudaSuccess);
  ASSERT_EQ(cudaGraphInstantiateWithFlags(&exec, graph, 0), cudaSuccess);
  for (const int value : {7, 8}) {
    *pinned = value;
    ASSERT_EQ(cudaGraphLaunch(exec, stream.handle), cudaSuccess);
    EXPECT_EQ(x.values()[0], value);
  }
  cudaGraphExecDestroy(exec);
  cudaGraphDestroy(graph);
  EXPECT_EQ(cudaFreeHost(pinned), cudaSuccess);
}

TEST(Capture, TheDefaultStreamAndACapturedOneCannotBeCaptured) {
  const Stream stream;
  EXPECT_EQ(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeGlobal), cudaErrorStreamCaptureUnsupported);
  stream.begin();
  EXPECT_EQ(cudaStreamBeginCapture(stream.handle, cudaStreamCaptureModeGlobal), cudaErrorInvalidValue);
  cudaGraph_t graph = nullptr;
  EXPECT_EQ(cudaStreamEndCapture(stream.handle, &graph), cudaSuccess);
  cudaGraphDestroy(graph);
  EXPECT_EQ(cudaStreamEndCapture(stream.handle, &graph), cudaErrorInvalidValue);
  cudaGetLastError();
}

}  // namespace
}  // namespace glmv::simt
