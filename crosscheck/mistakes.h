// Known mistakes: variants of the reference that are wrong in one named way, as ports have been.
//
// Each is a change of the op table, so the forward pass is the true one. A mistake serves three times: run on purpose
// (`crosscheck --mistake NAME`), tried when another program departs, and as a mutant that the tests must catch.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "reference/core/arena.h"
#include "reference/core/backend.h"
#include "reference/core/compare.h"

namespace glmv {

struct Mistake {
  std::string name;         ///< "rope=even_odd"
  int stage;                ///< in which it does its harm first
  std::string point;        ///< the first trace point it changes, without layer and step: "self_attn.q_rot"
  std::string description;  ///< what is done instead, in one sentence
  void (*apply)(OpTable&);
  /// What it does to the rule by which a choice of experts is judged; null = nothing. bias [E] f64.
  void (*choose)(Tensor& bias, RoutingRule& rule) = nullptr;
};

const std::vector<Mistake>& mistakes();

/// By name; Error with exit code 2 that lists the names there are.
const Mistake& find_mistake(std::string_view name);

/// The reference backend with the mistake built in.
Backend with_mistake(const Mistake& mistake);

}  // namespace glmv
