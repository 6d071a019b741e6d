// Which known mistake makes a departure noise.
//
// Candidates are the catalogue's entries of the stage at which theirs departs, and of stages just before it that the
// trace does not show. Each is built into the reference, which runs no further than the departed point; how far theirs
// is then from gold is its residual. The nearest are verified with all legal runs. Where none explains the departure
// alone, pairs are tried, the nearest first.
#pragma once

#include <string>
#include <vector>

#include "crosscheck/names.h"
#include "crosscheck/runs.h"

namespace glmv {

/// Mistakes that were built in together.
struct Explanation {
  std::vector<std::string> mistakes;
  double residual = 0;  ///< distance that is left at the departed point, in the measure of Explanations
  std::string beneath;  ///< explains it: the next point that departs with it built in; empty = none
};

struct Explanations {
  std::string measure;                ///< what a residual is: "relative L2 distance", ...
  double unexplained = 0, floor = 0;  ///< the residual without a mistake, and that of our own run
  std::vector<Explanation> found;     ///< turn the departure into noise; several cannot be told apart by this trace
  std::vector<Explanation> shorter;   ///< do so too, but depart sooner behind it than those
  std::vector<Explanation> closest;   ///< best of those that do not explain it; at most one
  int64_t tried = 0, pairs = 0;
};

struct ExplainOptions {
  const Model& model;
  const std::vector<const Mistake*>& assumed;
  const NameRules& names;
  const PromptRequest* request;  ///< our own preprocessing, or null
};

/// departure: a point of the report; not_seen: points before it that the trace lacks; runs: those without a mistake
/// besides the assumed ones.
Explanations explain(const ExplainOptions& options, const RunPlan& plan, const PointResult& departure,
                     const std::vector<std::string>& not_seen, const Runs& runs);

/// "A", "A + B".
std::string name_of(const Explanation& e);

}  // namespace glmv
