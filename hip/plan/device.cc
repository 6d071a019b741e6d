#include "hip/plan/device.h"

namespace glmv::hip_plan {

namespace {
std::string_view target_of(std::string_view gcn_arch) { return gcn_arch.substr(0, gcn_arch.find(':')); }
}  // namespace

bool has_mfma(std::string_view gcn_arch) {
  const std::string_view target = target_of(gcn_arch);
  return target == "gfx90a" || target == "gfx940" || target == "gfx941" || target == "gfx942";
}

int dies_of(std::string_view gcn_arch) {
  const std::string_view target = target_of(gcn_arch);
  return target == "gfx940" || target == "gfx941" || target == "gfx942" || target == "emulated" ? 8 : 1;
}

}  // namespace glmv::hip_plan
