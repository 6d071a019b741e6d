// What a cross-check runs and judges: gold and the legal runs of our side, with or without mistakes built in.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "crosscheck/judge.h"
#include "crosscheck/mistakes.h"
#include "crosscheck/names.h"
#include "crosscheck/record.h"
#include "crosscheck/theirs.h"

namespace glmv {

/// Everything that stays the same whichever mistakes are built in.
struct RunPlan {
  const Theirs& theirs;
  Script script;  ///< with the positions of the reference
  DType dtype = DType::f32;
  int64_t page_size = 0;
  std::string until;     ///< as in RecordOptions
  bool streams = false;  ///< weights are given back once a layer has run
  std::function<void(const std::string& what)> progress;
};

/// The reference with mistakes built in; `model` must outlive it.
struct OurSide {
  Mutant mutant;
  std::vector<const Mistake*> mistakes;

  OurSide(const Model& model, std::vector<const Mistake*> with);
  /// The script with the positions that the mistakes lead to.
  Script script(const RunPlan& plan) const;
  /// For a judge: one of them, or null.
  const Mistake* first() const { return mistakes.empty() ? nullptr : mistakes[0]; }
};

/// How many runs: only gold in f64, of which nothing but the plan's last point is kept; our run as well; and those in
/// other orders of summation, which make the measure of noise sharper.
enum class RunSet { gold, gold_and_ours, all };
Runs run_all(const OurSide& ours, const RunPlan& plan, RunSet set = RunSet::all);

/// All comparisons, in the order of the forward pass; the sampled id of a pass follows its last point.
/// preprocessed: our own stages 0 to 3, or null.
std::vector<PointResult> judge_all(const OurSide& ours, const RunPlan& plan, const Runs& runs, const NameRules& names,
                                   const Prompt* preprocessed);

/// Those of inputs that we preprocessed ourselves, in the order of stages.
std::vector<PointResult> judge_inputs(const Judge& judge, const Theirs& theirs, const Prompt& preprocessed);

/// Index of the first departure, -1 if there is none.
int64_t first_departure(const std::vector<PointResult>& points);

}  // namespace glmv
