#include "cuda/backend.h"

#include "cuda/launch.h"
#include "cuda/wgmma/ops.h"

namespace glmv::GLMV_BACKEND {
namespace {

/// wgmma is an instruction of compute capability 9.0 and of no other.
std::string absence_of_wgmma() {
  std::string why = backend().absence();
  if (!why.empty()) return why;
  int device = 0, major = 0, minor = 0;
  launched("cudaGetDevice", cudaGetDevice(&device));
  launched("cudaDeviceGetAttribute", cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  launched("cudaDeviceGetAttribute", cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
  if (major == 9 && minor == 0) return "";
  return concat("wgmma needs a device of compute capability 9.0, this one has ", major, '.', minor);
}

}  // namespace

const Backend& wgmma_backend() {
  static const Backend with_wgmma = [] {
    Backend b = backend();
    b.name = b.emulated ? "cuda-wgmma-emulated" : "cuda-wgmma";
    b.absence = absence_of_wgmma;
    b.ops.attention = {wgmma::attention, wgmma::attention_scratch};
    b.ops.linear = {wgmma::linear, wgmma::linear_scratch};
    b.ops.moe_experts = {wgmma::moe_experts, wgmma::moe_experts_scratch};
    return b;
  }();
  return with_wgmma;
}

}  // namespace glmv::GLMV_BACKEND
