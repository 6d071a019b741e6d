// What a planner knows of the device it plans for. Planners are ordinary C++: they are tested without a GPU.
#pragma once

#include <cstddef>

namespace glmv::cuda_plan {

struct Device {
  int multiprocessors = 132;
  size_t shared_bytes = size_t{227} * 1024;  ///< most that one block may have
};

}  // namespace glmv::cuda_plan
