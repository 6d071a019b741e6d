// Averages over groups of answers: circular passes, levels, durations, tracks, seeds, steps.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "eval/score_choice.h"

namespace glmv {

struct CircularPass {
  std::string gold, prediction;
  Options options;
};
/// 1 if every pass is inferred right, 0 at the first wrong one, none if a pass is left to a judge (VLMEvalKit).
std::optional<int> mmbench_circular(const std::vector<CircularPass>& passes);

struct MmbenchItem {
  std::string category, l2_category;
  double hit = 0;
};
/// Means by name: Overall, level-2 short names, leaf categories.
std::map<std::string, double> mmbench_report(const std::vector<MmbenchItem>& items);

struct HallusionItem {
  std::string index;  ///< <category>_<subcategory>_..._<set>_<figure>_<question>, fields 3, 4 and 5
  std::string l2_category;
  double score = 0;
};
struct HallusionScores {
  double all = 0, figure = 0, question = 0;  ///< aAcc, fAcc, qAcc in percent, rounded to 4 decimals
};
HallusionScores hallusionbench_aggregate(const std::vector<HallusionItem>& items);

struct DynamathScores {
  double average = 0, worst_case = 0;
};
/// Share of right variants, and of questions whose variants are all right.
DynamathScores dynamath_aggregate(const std::vector<std::vector<int>>& questions);

struct WemathProblem {
  std::vector<int> steps;  ///< 0 or 1 each
  int multi = 0;
};
struct WemathScores {
  int ig = 0, ik = 0, cm_loose = 0, cm_strict = 0, rm_loose = 0, rm_strict = 0;
  double score_strict = 0, score_loose = 0;
};
/// Inadequate generalisation, insufficient knowledge, complete mastery and rote memorisation of composite problems.
WemathScores wemath_four_dim(const std::vector<WemathProblem>& problems);

struct Scored {
  std::string group;
  double score = 0;
};
/// Mean over groups of their means; groups in the order of their first item (lmms-eval, MMStar).
double mean_of_group_means(const std::vector<Scored>& items);

/// Half the mean of 2D (ADE20K and COCO) and half of 3D (Omni3D). Error (exit code 3) for another source.
double cvbench_overall(const std::vector<Scored>& items);

/// Mean of one duration, or of all for "": rounded to three decimals as VLMEvalKit prints it; rows of -1 are left out;
/// none for an empty bucket.
std::optional<double> videomme_mean(const std::vector<Scored>& items, const std::string& duration);

}  // namespace glmv
