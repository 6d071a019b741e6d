// Layouts of other programs undone: every change is one of a few named rules, and the report says which were used.
//
// A rule is asked for by the name that a map gives a tensor, behind an @: "model.visual.blocks.3.attn.qkv@qkv".
//   qkv               query, key and value side by side [T, (Hq + 2 Hkv) d]: taken apart
//   qkv_by_group      the same, but for every kv head its queries, its key, its value (Megatron)
//   residual          an addend: the point is the sum of the tensor of this name and this one
//   input             the input of layer i: the output of layer i - 1, or what the first one is given
//   same              an equal value under another name: taken if the point itself is not there
//   last              the output of the last block or layer
//   transposed        [hidden, T]: its two axes exchanged
//   heads_first       [heads, T, d]: the first two axes exchanged
//   each_angle_twice  cos or sin [T, 2 n]: of every angle one is kept
//   half_split        rows of query or key as the half-split rotation wants them: in the dense family put back
//   norm_after_attention  post_attention_layernorm: in the dense family post_self_attn_layernorm
//   ignored           no point of ours, and not to be reported as unknown
// Without being asked: shards of tensor-parallel ranks (NAME#RANK) are joined (crosscheck/pieces.h), axes of one
// dropped, a scalar read as one element, a fourth row of positions dropped, and rows that attention_mask says are
// padding cut out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "crosscheck/adapters/foreign.h"
#include "crosscheck/names.h"
#include "crosscheck/pieces.h"
#include "crosscheck/rearrange.h"
#include "data/config.h"

namespace glmv {

/// Tensors under our names and in our layout, as far as that can be told without running the model.
struct OurLayout {
  std::map<std::string, ConstTensorView> tensors;
  std::map<std::string, std::vector<HeldByRank>> ranks;  ///< by point: others than the first, where they may differ
  Rearranged rearranged;                                 ///< keeps the views alive, with the owners of the file
  std::vector<std::string> notes;                        ///< which rule was used, one sentence each
  std::vector<std::string> warnings;
};

/// config may be null (a plain comparison of files): rules that need numbers of the model then leave tensors as they
/// are. Error: 2 for a rule that there is none of, 3 for a tensor that a rule does not fit and for two of one name.
OurLayout to_our_layout(const ForeignTensors& theirs, const NameRules& names, const ModelConfig* config);

}  // namespace glmv
