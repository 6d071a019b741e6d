// What a planner knows of the device it plans for. Planners are ordinary C++: they are tested without a GPU.
#pragma once

#include <cstddef>

namespace glmv::cuda_plan {

constexpr size_t kKiB = 1024;

struct Device {
  int multiprocessors = 132;
  size_t shared_bytes = 227 * kKiB;  ///< most that one block may have
};

}  // namespace glmv::cuda_plan
