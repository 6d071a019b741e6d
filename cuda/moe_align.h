// Sorts the slots of a router's choice by expert, on the device: nothing of a routing is known to the host.
#pragma once

#include "cuda/launch.h"
#include "cuda/plan/moe_plan.h"

namespace glmv::GLMV_BACKEND {

/// Rows of one expert that one block computes; expert -1: nothing to do.
struct alignas(16) RowTile {
  int32_t expert, first_row, rows, unused;
};

/// Where the slots of T tokens went. All in device memory; slot = t K + k.
struct Alignment {
  int32_t* offsets;      ///< [E + 1]: expert e has rows offsets[e] .. offsets[e + 1] - 1
  int32_t* slot_of_row;  ///< [T K]: a row's slot; slots of one expert keep their order
  int32_t* row_of_slot;  ///< [T K]: a slot's row; -1 if its id names no expert
  RowTile* tiles;        ///< [row_tiles]: every row is in one tile; by expert, then row; those not needed come last
  int32_t* counts;       ///< [blocks, E]: only if there is more than one block
};

/// Its arrays in memory of plan.bytes.
Alignment place_alignment(void* memory, const cuda_plan::AlignPlan& plan);

/// ids [T, K] of any strides, each in [0, E). Rows follow from ids alone: no order of blocks or threads shows in them.
void moe_align(const ConstTensorView& ids, int64_t experts, const Alignment& to, const cuda_plan::AlignPlan& plan,
               Exec exec);

}  // namespace glmv::GLMV_BACKEND
