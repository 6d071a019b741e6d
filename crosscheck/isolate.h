// Isolation: where was an error made? Every segment of the forward pass is started from *their* points, so what is
// wrong behind it was made in it. Works offline, on the points that a trace has, and needs one layer's weights at a
// time.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "crosscheck/runs.h"
#include "crosscheck/upstream.h"

namespace glmv {

/// What isolation says of one of their points.
enum class Born {
  noise,      ///< noise from their own points, and end to end too
  inherited,  ///< departs end to end, but is noise when computed from their points
  here,       ///< departs even when computed from their points
  no_input    ///< departs, but nothing of theirs lies before it: made here or anywhere before
};
const char* name_of(Born born);

struct IsolatedPoint {
  PointResult result;  ///< theirs against gold, both computed from their nearest points
  Upstream upstream;
  Born born = Born::noise;
};

struct Isolation {
  std::map<std::string, IsolatedPoint> points;  ///< of what the model computes, if it could be judged
  int64_t segments = 0;                         ///< of the model that were run, one at a time
  int64_t largest_segment_bytes = 0;            ///< weights of the largest of them
  std::string largest_segment;
  int64_t weight_bytes = 0;    ///< of all of them
  int64_t peak_rss_bytes = 0;  ///< largest resident memory of this process so far
  double seconds = 0;

  const IsolatedPoint* find(const std::string& name) const;
  /// Points with this verdict.
  int64_t count(Born born) const;
  /// Points that depart when computed from their own inputs: also such whose error is lost, end to end, in the noise of
  /// what comes before.
  int64_t made() const { return count(Born::here) + count(Born::no_input); }
};

/// Runs every segment of our side from their points, gold and the legal runs side by side, and judges each point by the
/// noise of those. `end_to_end` tells what departs without isolation. Error: as crosscheck().
Isolation isolate(const OurSide& ours, const RunPlan& plan, const NameRules& names,
                  const std::vector<PointResult>& end_to_end);

}  // namespace glmv
