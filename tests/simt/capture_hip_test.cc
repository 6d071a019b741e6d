// Capture under HIP's names: what is replayed, and that what a device forbids spoils it. The rules are
// capture_test.cc's.
#include <gtest/gtest.h>
#include <hip/hip_runtime.h>

#include "simt/gpu.h"
#include "tests/simt/device_array.h"

namespace glmv::simt {
namespace {

__global__ void scale_kernel(const int* x, int* to, int factor) { to[threadIdx.x] = factor * x[threadIdx.x]; }

hipError_t scale(const DeviceArray<int>& x, const DeviceArray<int>& to, int factor, hipStream_t stream) {
  return gpu_launch(scale_kernel, dim3(1), dim3(4), 0, stream, x.data(), to.data(), factor);
}

struct Capture {
  hipStream_t stream = nullptr;
  hipGraph_t graph = nullptr;

  Capture() {
    EXPECT_EQ(hipStreamCreate(&stream), hipSuccess);
    EXPECT_EQ(hipStreamBeginCapture(stream, hipStreamCaptureModeThreadLocal), hipSuccess);
  }
  ~Capture() {
    if (graph != nullptr) {
      EXPECT_EQ(hipGraphDestroy(graph), hipSuccess);
    }
    EXPECT_EQ(hipStreamDestroy(stream), hipSuccess);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  hipError_t end() { return hipStreamEndCapture(stream, &graph); }
};

TEST(CaptureHip, AGraphRunsWhatWasCapturedEachTimeItIsLaunched) {
  const DeviceArray<int> x(std::vector<int>{1, 2, 3, 4}), to(std::vector<int>{0, 0, 0, 0});
  Capture capture;
  int* pinned = nullptr;
  EXPECT_EQ(hipErrorStreamCaptureUnsupported, hipHostMalloc(&pinned, 4)) << "spoils it";
  EXPECT_EQ(capture.end(), hipErrorStreamCaptureInvalidated);
  ASSERT_EQ(hipHostMalloc(&pinned, 4), hipSuccess);
  ASSERT_EQ(hipStreamBeginCapture(capture.stream, hipStreamCaptureModeThreadLocal), hipSuccess);
  EXPECT_EQ(hipMemcpyAsync(x.data(), pinned, 4, hipMemcpyHostToDevice, capture.stream), hipSuccess);
  EXPECT_EQ(scale(x, to, 10, capture.stream), hipSuccess);
  EXPECT_EQ(to.values(), (std::vector<int>{0, 0, 0, 0})) << "nothing runs while it is captured";
  hipGraphExec_t exec = nullptr;
  size_t nodes = 0;
  ASSERT_EQ(capture.end(), hipSuccess);
  ASSERT_EQ(hipGraphGetNodes(capture.graph, nullptr, &nodes), hipSuccess);
  EXPECT_EQ(nodes, 2u);
  ASSERT_EQ(hipGraphInstantiateWithFlags(&exec, capture.graph, 0), hipSuccess);
  for (const int value : {7, 8}) {
    *pinned = value;
    ASSERT_EQ(hipGraphLaunch(exec, capture.stream), hipSuccess);
    EXPECT_EQ(to.values(), (std::vector<int>{10 * value, 20, 30, 40}));
  }
  EXPECT_EQ(hipGraphExecDestroy(exec), hipSuccess);
  EXPECT_EQ(hipHostFree(pinned), hipSuccess);
}

/// Calls `forbidden` while a stream is captured: it must fail with a text that has `word`, and spoil the capture.
template <class F>
void expect_spoiled(const char* word, hipError_t error, F forbidden) {
  Capture capture;
  EXPECT_EQ(forbidden(capture.stream), error) << word;
  const std::string text = hipGetErrorString(hipGetLastError());
  EXPECT_NE(text.find(word), std::string::npos) << text;
  EXPECT_NE(text.find("captured"), std::string::npos) << text;
  hipStreamCaptureStatus status = hipStreamCaptureStatusNone;
  EXPECT_EQ(hipStreamIsCapturing(capture.stream, &status), hipSuccess);
  EXPECT_EQ(status, hipStreamCaptureStatusInvalidated);
  EXPECT_EQ(capture.end(), hipErrorStreamCaptureInvalidated);
  EXPECT_EQ(hipGetLastError(), hipErrorStreamCaptureInvalidated);
  EXPECT_EQ(hipDeviceSynchronize(), hipSuccess) << "allowed again";
}

TEST(CaptureHip, WhatADeviceForbidsSpoilsIt) {
  const DeviceArray<int> x(std::vector<int>{1, 2, 3, 4});
  int host[4] = {};
  int* more = nullptr;
  const hipError_t unsupported = hipErrorStreamCaptureUnsupported, implicit = hipErrorStreamCaptureImplicit;
  expect_spoiled("hipMalloc", unsupported, [&](hipStream_t) { return hipMalloc(&more, 4); });
  expect_spoiled("hipFree", unsupported, [&](hipStream_t) { return hipFree(x.data()); });
  expect_spoiled("hipMemcpy", unsupported,
                 [&](hipStream_t) { return hipMemcpy(host, x.data(), 16, hipMemcpyDeviceToHost); });
  expect_spoiled("hipStreamSynchronize", unsupported, [](hipStream_t s) { return hipStreamSynchronize(s); });
  expect_spoiled("hipHostMalloc did not return", unsupported,
                 [&](hipStream_t s) { return hipMemcpyAsync(x.data(), host, 16, hipMemcpyHostToDevice, s); });
  expect_spoiled("scale_kernel", implicit, [&](hipStream_t) { return scale(x, x, 1, nullptr); });
  expect_spoiled("hipMemsetAsync", implicit, [&](hipStream_t) { return hipMemsetAsync(x.data(), 0, 16); });
  EXPECT_EQ(more, nullptr);
  EXPECT_EQ(x.values(), (std::vector<int>{1, 2, 3, 4}));
}

}  // namespace
}  // namespace glmv::simt
