#include "eval/score_group.h"

#include <algorithm>

#include "eval/number.h"
#include "eval/text.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

struct Mean {
  double sum = 0, count = 0;
  void add(double x) { sum += x, count += 1; }
  double value() const { return count == 0 ? 0 : sum / count; }
};

std::string short_name(const std::string& l2_category) {
  static const std::map<std::string, std::string> names = {{"coarse_perception", "CP"},
                                                           {"finegrained_perception (instance-level)", "FP-S"},
                                                           {"finegrained_perception (cross-instance)", "FP-C"},
                                                           {"logic_reasoning", "LR"},
                                                           {"relation_reasoning", "RR"},
                                                           {"attribute_reasoning", "AR"}};
  const auto found = names.find(l2_category);
  return found == names.end() ? l2_category : found->second;
}

/// Share of groups in which everything is right.
double share_all_right(const std::map<std::string, bool>& groups) {
  Mean mean;
  for (const auto& [key, right] : groups) mean.add(right ? 1 : 0);
  return mean.value();
}

}  // namespace

std::optional<int> mmbench_circular(const std::vector<CircularPass>& passes) {
  bool decided = true;
  for (const CircularPass& pass : passes) {
    const auto letter = mc_can_infer(pass.prediction, pass.options);
    if (letter && *letter != pass.gold) return 0;
    if (!letter) decided = false;
  }
  return decided ? std::optional(1) : std::nullopt;
}

std::map<std::string, double> mmbench_report(const std::vector<MmbenchItem>& items) {
  std::map<std::string, Mean> l2, leaf;
  Mean all;
  for (const MmbenchItem& item : items) {
    all.add(item.hit);
    l2[short_name(item.l2_category)].add(item.hit);
    leaf[short_name(item.category)].add(item.hit);
  }
  std::map<std::string, double> out = {{"Overall", all.value()}};
  for (const auto& [name, mean] : l2) out[name] = mean.value();
  for (const auto& [name, mean] : leaf) out[name] = mean.value();
  return out;
}

HallusionScores hallusionbench_aggregate(const std::vector<HallusionItem>& items) {
  constexpr size_t kSet = 3, kFigure = 4, kQuestion = 5;
  constexpr int kDecimals = 4;
  Mean all;
  std::map<std::string, bool> figures, questions;
  for (const HallusionItem& item : items) {
    const py::Views fields = py::split(item.index, "_");
    if (fields.size() <= kQuestion) input_error("index is ", item.index, ": set, figure and question are missing");
    const bool right = item.score != 0;
    const std::string group = item.l2_category + "_" + std::string(fields[kSet]) + "_";
    const auto add = [&](std::map<std::string, bool>& groups, std::string_view last) {
      bool& so_far = groups.try_emplace(group + std::string(last), true).first->second;
      so_far = so_far && right;
    };
    all.add(item.score);
    add(figures, fields[kFigure]);
    add(questions, fields[kQuestion]);
  }
  const auto percent = [](double share) { return py::round(100 * share, kDecimals); };
  return {percent(all.value()), percent(share_all_right(figures)), percent(share_all_right(questions))};
}

DynamathScores dynamath_aggregate(const std::vector<std::vector<int>>& questions) {
  Mean average, worst;
  for (const std::vector<int>& variants : questions) {
    for (const int right : variants) average.add(right);
    worst.add(std::count(variants.begin(), variants.end(), 0) == 0 ? 1 : 0);
  }
  return {average.value(), worst.value()};
}

WemathScores wemath_four_dim(const std::vector<WemathProblem>& problems) {
  constexpr double kGeneralisation = 0.5;
  WemathScores s;
  for (const WemathProblem& p : problems) {
    const auto right = static_cast<size_t>(std::count(p.steps.begin(), p.steps.end(), 1));
    const bool all = right == p.steps.size(), any = right > 0;
    if (p.multi == 0) {
      ++(all ? s.ig : s.ik);
    } else {
      ++(all ? s.cm_strict : s.rm_strict);
      ++(any ? s.cm_loose : s.rm_loose);
    }
  }
  const auto n = static_cast<double>(problems.size());
  const auto score = [&](int rote) { return n == 0 ? 0 : (n - kGeneralisation * s.ig - rote - s.ik) / n; };
  s.score_strict = score(s.rm_strict), s.score_loose = score(s.rm_loose);
  return s;
}

double mean_of_group_means(const std::vector<Scored>& items) {
  std::vector<std::string> order;
  std::map<std::string, Mean> groups;
  for (const Scored& item : items) {
    if (groups.count(item.group) == 0) order.push_back(item.group);
    groups[item.group].add(item.score);
  }
  Mean mean;
  for (const std::string& group : order) mean.add(groups[group].value());
  return mean.value();
}

double cvbench_overall(const std::vector<Scored>& items) {
  std::map<std::string, Mean> sources = {{"ADE20K", {}}, {"COCO", {}}, {"Omni3D", {}}};
  for (const Scored& item : items) {
    const auto found = sources.find(item.group);
    if (found == sources.end()) input_error("source is ", item.group, ", not ADE20K, COCO or Omni3D");
    found->second.add(item.score);
  }
  const double flat = (sources["ADE20K"].value() + sources["COCO"].value()) / 2;
  return (flat + sources["Omni3D"].value()) / 2;
}

std::optional<double> videomme_mean(const std::vector<Scored>& items, const std::string& duration) {
  constexpr int kDecimals = 3;
  Mean mean;
  for (const Scored& item : items) {
    if (item.score >= 0 && (duration.empty() || item.group == duration)) mean.add(item.score);
  }
  return mean.count == 0 ? std::nullopt : std::optional(py::round(mean.value(), kDecimals));
}

}  // namespace glmv
