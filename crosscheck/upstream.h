// Which points a point is computed from: the edges of the forward pass between trace points.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "crosscheck/theirs.h"

namespace glmv {

/// Where the numbers of a point come from, as far as a trace shows it.
struct Upstream {
  std::vector<std::string> from;    ///< the nearest points before it that the trace has, or inputs of the run
  std::vector<std::string> absent;  ///< points between those and this one that the trace lacks
  /// Nothing that the model computes lies before it in the trace, though such points exist.
  bool from_inputs_alone = false;
};

/// The points that `name` (with its step prefix) is computed from directly; inputs of the run have none. A text-only
/// prompt has no merger in front of inputs_embeds. Keys and values of earlier passes are not listed.
std::vector<std::string> direct_upstream(const ModelConfig& config, const std::string& name, bool visual);

/// `has`: is the point in the trace, in a form that can be taken?
Upstream upstream_of(const ModelConfig& config, const std::string& name, bool visual, const std::set<std::string>& has);

}  // namespace glmv
