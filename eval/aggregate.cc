#include "eval/aggregate.h"

#include <map>
#include <set>

#include "eval/algorithms.h"
#include "eval/template.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

using Verdicts = std::vector<const Verdict*>;

double mean_of(const Verdicts& all) {
  double sum = 0;
  for (const Verdict* v : all) sum += v->score.value_or(0);
  return sum / static_cast<double>(all.size());
}

/// Verdicts by the text of a value, in order of first appearance.
std::vector<std::pair<std::string, Verdicts>> groups(const Verdicts& all, const Json& by, const std::string& where) {
  std::vector<std::pair<std::string, Verdicts>> out;
  std::map<std::string, size_t> place;
  for (const Verdict* v : all) {
    const std::string key = text_of(resolve(by, v->values, where));
    const auto [at, is_new] = place.emplace(key, out.size());
    if (is_new) out.push_back({key, {}});
    out[at->second].second.push_back(v);
  }
  return out;
}

Aggregate macro(const Json& spec, const Verdicts& all, const std::string& where) {
  Aggregate out;
  double sum = 0;
  const auto parts = groups(all, spec["by"], where);
  for (const auto& [name, members] : parts) {
    const double mean = 100 * mean_of(members);
    out.metrics[name] = mean;
    sum += mean;
  }
  out.headline = sum / static_cast<double>(parts.size());
  out.units = static_cast<int64_t>(all.size());
  return out;
}

Aggregate all_of_group(const Json& spec, const Verdicts& all, const std::string& where) {
  std::vector<Verdict> whole;
  for (const auto& [name, members] : groups(all, spec["by"], where)) {
    Verdict v = *members[0];
    v.score = 1;
    for (const Verdict* member : members) v.score = std::min(*v.score, member->score.value_or(0) == 1 ? 1.0 : 0.0);
    v.values["score"] = *v.score;
    whole.push_back(std::move(v));
  }
  Verdicts pointers;
  for (const Verdict& v : whole) pointers.push_back(&v);
  return aggregate(spec["then"], pointers, where);
}

Json build_lists(const Json& spec, const Verdicts& all, const std::string& where) {
  Json out = Json::object();
  if (spec.contains("keys"))
    for (const Json& key : spec["keys"]) out[key.get<std::string>()] = Json::array();
  for (const Verdict* v : all) {
    const Json pair = resolve(spec["lists"], v->values, where);
    out[text_of(pair[0])].push_back(pair[1]);
  }
  return out;
}

Json build_input(const Json& spec, const Verdicts& all, const std::string& where) {
  if (!spec.is_object()) return spec;
  if (spec.contains("lists")) return build_lists(spec, all, where);
  Json out;
  if (spec.contains("each")) {
    out = Json::array();
    for (const Verdict* v : all) out.push_back(resolve(spec["each"], v->values, where));
  } else if (spec.contains("map")) {
    out = Json::object();
    for (const Verdict* v : all) {
      const Json pair = resolve(spec["map"], v->values, where);
      if (!pair[1].is_null()) out[text_of(pair[0])] = pair[1];
    }
  } else {
    out = Json::object();
    for (const auto& [key, value] : spec.items()) out[key] = build_input(value, all, where);
  }
  return out;
}

/// The named member, or the mean of several.
std::optional<double> headline_of(const Json& result, const Json& names) {
  if (result.is_number()) return result.get<double>();
  double sum = 0;
  const Json list = names.is_array() ? names : Json::array({names});
  for (const Json& name : list) {
    const auto found = result.is_object() ? result.find(name.get<std::string>()) : result.end();
    if (!result.is_object() || found == result.end() || !found->is_number()) return std::nullopt;
    sum += found->get<double>();
  }
  return sum / static_cast<double>(list.size());
}

Aggregate by_algorithm(const Json& spec, const Json& input, int64_t units) {
  Aggregate out;
  const Json result = run_algorithm(spec["algorithm"].get<std::string>(), input);
  out.headline = headline_of(result, spec.value("headline", Json("score")));
  if (out.headline) *out.headline *= spec.value("times", 1.0);
  if (result.is_object()) out.metrics = result;
  out.units = units;
  return out;
}

/// Problems of two and three steps, each with its steps' results and that of the composite question. One whose parts
/// are not all there is left out.
Aggregate wemath(const Json& spec, const Verdicts& all, const std::string& where) {
  Json input = {{"two_step", Json::array()}, {"three_step", Json::array()}};
  int64_t units = 0;
  for (const auto& [problem, members] : groups(all, "$problem", where)) {
    std::map<std::string, int> right;
    for (const Verdict* v : members) right[text_of(v->values.at("key"))] = v->score.value_or(0) == 1;
    const bool three = right.begin()->first.starts_with("3");
    const std::string prefix = three ? "3steps_" : "2steps_";
    Json one = {{"steps", Json::array()}};
    for (int i = 1; i <= (three ? 3 : 2); ++i) {
      if (right.count(prefix + std::to_string(i)) > 0) one["steps"].push_back(right[prefix + std::to_string(i)]);
    }
    if (one["steps"].size() != (three ? 3u : 2u) || right.count(prefix + "multi") == 0) continue;
    one["multi"] = right[prefix + "multi"];
    input[three ? "three_step" : "two_step"].push_back(one);
    ++units;
  }
  if (units == 0) return {};
  return by_algorithm(
      {{"algorithm", "wemath_four_dim"}, {"headline", spec["headline"]}, {"times", spec.value("times", 100.0)}}, input,
      units);
}

Aggregate plain(const Verdicts& all) { return {100 * mean_of(all), Json::object(), static_cast<int64_t>(all.size())}; }

}  // namespace

bool is_plain_mean(const Json& spec) { return spec["how"] == "mean"; }

Aggregate aggregate(const Json& spec, const Verdicts& all, const std::string& where) {
  const std::string how = spec.value("how", "");
  if (all.empty()) return {};
  if (how == "mean") return plain(all);
  if (how == "macro") return macro(spec, all, where);
  if (how == "all_of_group") return all_of_group(spec, all, where);
  if (how == "wemath") return wemath(spec, all, where);
  if (how == "algorithm")
    return by_algorithm(spec, build_input(spec["input"], all, where), static_cast<int64_t>(all.size()));
  if (how != "mean_answered") usage_error(where, ": \"", how, "\": not a way to aggregate");
  Verdicts answered;
  for (const Verdict* v : all) {
    if (v->score) answered.push_back(v);
  }
  if (answered.empty()) return {};
  Aggregate out = plain(answered);
  out.metrics["unanswered"] = all.size() - answered.size();
  return out;
}

void check_aggregate(const Json& spec, const std::string& where) {
  static const std::map<std::string, std::set<std::string>> kForms = {
      {"mean", {}},
      {"mean_answered", {}},
      {"macro", {"by"}},
      {"all_of_group", {"by", "then"}},
      {"wemath", {"headline", "times"}},
      {"algorithm", {"algorithm", "input", "headline", "times"}}};
  const auto form = spec.is_object() ? kForms.find(spec.value("how", "")) : kForms.end();
  if (form == kForms.end())
    input_error(where, ": aggregate: how is none of mean, mean_answered, macro, all_of_group, wemath, algorithm");
  for (const auto& [key, value] : spec.items()) {
    if (key != "how" && form->second.count(key) == 0)
      input_error(where, ": aggregate: ", key, " is not a key of ", form->first);
  }
  if (form->first == "all_of_group") check_aggregate(spec.value("then", Json()), where);
  if ((form->first == "macro" || form->first == "all_of_group") && !spec.contains("by"))
    input_error(where, ": aggregate: by is missing");
  if (form->first == "algorithm" && (!spec.contains("algorithm") || !spec.contains("input")))
    input_error(where, ": aggregate: algorithm and input are wanted");
}

}  // namespace glmv::eval
