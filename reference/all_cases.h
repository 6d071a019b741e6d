// Every case of every op. An explicit list: self-registration would be dropped by the linker and hide it from readers.
#pragma once

#include <string_view>
#include <vector>

#include "reference/core/cases.h"
#include "reference/core/ops.h"

namespace glmv {

using Cases = std::vector<Case>;

/// One function per reference/<op>_cases.cc.
Cases vision_position_cases();  ///< pos_embed_taps, pos_embed
Cases rope_table_cases();
Cases embedding_cases();  ///< embedding, splice
Cases norm_cases();       ///< rmsnorm, layernorm, fused_add_rmsnorm
Cases linear_cases();
Cases elementwise_cases();  ///< add, gelu, silu_mul
Cases mrope_cases();
Cases kv_write_cases();
Cases attention_cases();
Cases moe_route_cases();
Cases moe_experts_cases();
Cases sample_cases();
Cases advance_cases();

/// All of them, in the order in which the model uses the ops.
const Cases& all_cases();

/// Error (exit code 2) if there is none of that name.
const Case& find_case(std::string_view name);

}  // namespace glmv
