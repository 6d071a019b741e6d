// Verdicts of samples -> the benchmark's number.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/steps.h"

namespace glmv::eval {

struct Aggregate {
  std::optional<double> headline;  ///< percent; nothing if it cannot be formed
  Json metrics = Json::object();   ///< everything that the aggregation knows
  int64_t units = 0;               ///< what the headline is a mean over: samples, groups, problems
};

/// `spec` of a manifest's rule:
///   {"how": "mean"}                               100 x mean of scores; none counts 0
///   {"how": "macro", "by": "$field"}              mean over the field's values of their means
///   {"how": "mean_answered"}                      samples without a score leave the denominator
///   {"how": "all_of_group", "by": "$field", "then": spec}   groups in which every sample is right; the group keeps the
///   fields of its
///                                                 first sample
///   {"how": "algorithm", "algorithm": id, "input": {...}, "headline": name or names (their mean), "times": x}
///        in the input {"each": value} is a list over samples, {"map": [key, value]} an object, {"lists": [key, value]}
///        an object of lists, {"lists": [...], "keys": [...]} with keys that are always there
///   {"how": "wemath", "headline": name}           composites and their steps by the fields key and problem
/// Error (exit code 2) for anything else.
Aggregate aggregate(const Json& spec, const std::vector<const Verdict*>& verdicts, const std::string& where);

/// Error (exit code 3) for a specification of another form.
void check_aggregate(const Json& spec, const std::string& where);

/// For plain means the number of right answers and of samples, so that an exact interval can be given.
bool is_plain_mean(const Json& spec);

}  // namespace glmv::eval
