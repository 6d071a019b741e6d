// Choices of experts: legal within the measured error of the scores by which they were made.
#include <algorithm>
#include <cmath>

#include "crosscheck/judge.h"
#include "crosscheck/stages.h"

namespace glmv {
namespace {

/// sigmoid(logit) per expert of one token, or a softmax of the logits.
std::vector<double> scores(const Tensor& logits, int64_t t, bool softmax) {
  const int64_t experts = logits.view.dim[1];
  const double* row = logits.data<double>() + t * experts;
  std::vector<double> s;
  double sum = 0;
  for (int64_t e = 0; e < experts; ++e) {
    s.push_back(softmax ? std::exp(row[e] - *std::max_element(row, row + experts)) : 1 / (1 + std::exp(-row[e])));
    sum += s.back();
  }
  for (double& x : s) x = softmax ? x / sum : x;
  return s;
}

/// Largest distance of a measured score of token t from gold's.
double score_error(const std::vector<double>& gold, const std::vector<Tensor>& measured, int64_t t, bool softmax) {
  double error = 0;
  for (const Tensor& run : measured) {
    const std::vector<double> s = scores(run, t, softmax);
    for (size_t e = 0; e < s.size(); ++e) error = std::max(error, std::abs(s[e] - gold[e]));
  }
  return error;
}

/// What the router compares: scores with the bias added. The sum is rounded to f32; how far that may reach.
double add_bias(std::vector<double>& scores, const Tensor& bias) {
  double largest = 0;
  for (size_t e = 0; e < scores.size(); ++e) {
    scores[e] += bias.data<double>()[e];
    largest = std::max(largest, std::abs(scores[e]));
  }
  return ulp_at(DType::f32, largest) / 2;
}

/// The scores by which these experts were chosen.
std::string logits_of_choice(const std::string& name) {
  return concat(name.substr(0, name.size() - kTopkIds.size()), kGateLogits);
}

}  // namespace

/// Ours, and theirs if they are within the noise of ours; a floor that the trace brings does not count here.
std::vector<Tensor> Judge::measured_logits(const std::string& name, const Noise& n) const {
  std::vector<ConstTensorView> views = {runs_.ours.get(name).view};
  views.reserve(runs_.other_orders.size() + 2);
  for (const Recording& run : runs_.other_orders) views.push_back(run.get(name).view);
  const ConstTensorView gold = runs_.gold.get(name).view;
  const ConstTensorView theirs = theirs_.points.count(name) > 0 ? their(name) : ConstTensorView();
  const bool comparable = theirs && is_float(theirs.dtype) && equal_extents(gold, theirs);
  if (comparable && compare(gold, theirs, n).within()) views.push_back(theirs);
  std::vector<Tensor> out;
  out.reserve(views.size());
  for (const ConstTensorView& v : views) out.push_back(f64_of(v));
  return out;
}

std::string Judge::illegal_choice(const RoutingVerdict& v, const RoutingRule& rule, int64_t token, double error) const {
  if (v.groups > rule.topk_group)
    return concat("token ", token, ": the chosen experts are of ", v.groups, " groups, topk_group is ",
                  rule.topk_group);
  return concat("token ", token, ": an expert left out scores ", v.gap,
                " more than one chosen; scores are uncertain by ", error);
}

void Judge::routing(PointResult& r) const {
  r.kind = PointKind::routing;
  const std::string logits_name = logits_of_choice(r.name);
  const TextConfig& config = model_.config.text;
  const Tensor choice = well_formed_choice(their(r.name), runs_.gold.get(r.name).view.dim[0], config);
  if (is_float(their(r.name).dtype))
    return r.departs(concat("experts are named by ", their(r.name), ", not whole numbers"));
  if (!choice) return r.departs("a row does not name K different experts of this layer");
  const Tensor gold = runs_.gold.get(logits_name);
  const Tensor bias = f64_bias(split_layer(split_step(r.name).point).layer);
  const RoutingRule rule{config.n_group, config.topk_group, runs_.router.groups_by_maximum};
  Noise n = ruler(logits_name);
  n.row_floor = {};
  const std::vector<Tensor> measured = measured_logits(logits_name, n);
  RouterAgreement& all = r.router;
  int64_t left_out = 0;
  for (int64_t t = 0; t < choice.view.dim[0]; ++t) {
    if (!n.no_ruler.empty() && n.no_ruler[static_cast<size_t>(t)]) {
      ++left_out;
      continue;
    }
    std::vector<double> best = scores(gold, t, runs_.router.softmax_scores);
    const double error = score_error(best, measured, t, runs_.router.softmax_scores);
    const double rounding = add_bias(best, bias);
    const int32_t* row = choice.data<int32_t>() + t * choice.view.dim[1];
    const std::vector<int64_t> chosen(row, row + choice.view.dim[1]);
    const RoutingVerdict v = judge_routing(best, chosen, rule, 2 * (error + rounding));
    const bool legal = v.legal && v.groups <= rule.topk_group;
    if (!legal && r.within) r.departs(illegal_choice(v, rule, t, error + rounding));
    ++all.tokens;
    ++(!legal ? all.beyond : v.flipped ? all.flipped : all.equal);
    all.smallest_margin = std::min(all.smallest_margin, std::abs(v.gap));
    all.uncertain = std::max(all.uncertain, error + rounding);
  }
  r.flips = all.flipped;
  if (all.beyond > 1) r.detail += concat(" (and ", all.beyond - 1, " more of ", all.tokens, " tokens)");
  leave_out(left_out, choice.view.dim[0], r);
}

Tensor Judge::f64_bias(int64_t layer) const {
  return f64_of(model_.weights.layers[static_cast<size_t>(layer)].moe.correction_bias.data);
}

}  // namespace glmv
