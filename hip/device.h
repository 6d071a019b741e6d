// The device that kernels are planned for.
#pragma once

#include "gpu/launch.h"
#include "hip/plan/device.h"

namespace glmv::GLMV_BACKEND {

inline hip_plan::Device ask_device() {
  int id = 0;
  hipDeviceProp_t properties = {};
  launched("hipGetDevice", hipGetDevice(&id));
  launched("hipGetDeviceProperties", hipGetDeviceProperties(&properties, id));
  const bool mfma = GLMV_EMULATED != 0 ? properties.warpSize == 64 : hip_plan::has_mfma(properties.gcnArchName);
  return {properties.multiProcessorCount, properties.sharedMemPerBlock, hip_plan::dies_of(properties.gcnArchName),
          properties.warpSize, mfma};
}

/// The current device. Asked once: every device of a machine is taken to be of one kind. The emulated one may change
/// its wave width between launches.
inline hip_plan::Device current_device() {
#if GLMV_EMULATED
  return ask_device();
#else
  static const hip_plan::Device device = ask_device();
  return device;
#endif
}

}  // namespace glmv::GLMV_BACKEND
