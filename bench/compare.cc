#include "bench/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace glmv::bench {

const char* word_for(Verdict verdict) {
  switch (verdict) {
    case Verdict::same: return "SAME";
    case Verdict::faster: return "FASTER";
    case Verdict::slower: return "SLOWER";
    case Verdict::unstable: return "UNSTABLE";
    case Verdict::invalid: return "INVALID";
    case Verdict::missing: return "MISSING";
  }
  return "";
}

namespace {

std::vector<double> medians_of(const Rounds& rounds) {
  std::vector<double> medians;
  for (const auto& round : rounds) {
    if (!round.empty()) medians.push_back(median(round));
  }
  return medians;
}

/// True if every round of `b` is on the same side of every round of `a`.
bool rounds_apart(const Rounds& a, const Rounds& b) {
  const std::vector<double> of_a = medians_of(a), of_b = medians_of(b);
  return quantile(of_b, 0) > quantile(of_a, 1) || quantile(of_b, 1) < quantile(of_a, 0);
}

/// How much slower the machine itself was, by one of its canaries; 1 = as fast, or not measured.
double machine_ratio(double before, double after) { return before > 0 && after > 0 ? after / before : 1; }

/// Does a canary explain the difference: did it move in its direction, by half as much or more?
bool explains(double canary, double ratio) {
  return std::log(canary) * std::log(ratio) > 0 && std::abs(std::log(canary)) > 0.5 * std::abs(std::log(ratio));
}

/// Why a difference beyond the threshold is not believed, or "".
std::string doubt(const Row& a, const Row& b, const Compared& c, const CompareOptions& o) {
  if (a.status == Status::unstable) return "before: " + a.why;
  if (b.status == Status::unstable) return "after: " + b.why;
  const double clock = machine_ratio(a.canary_seconds, b.canary_seconds);
  if (explains(clock, c.ratio)) return fmt::format("the clock itself is {:+.0f} %", 100 * (1 / clock - 1));
  const double memory = machine_ratio(a.flush_seconds, b.flush_seconds);
  if (explains(memory, c.ratio)) return fmt::format("the memory itself is {:+.0f} %", 100 * (1 / memory - 1));
  const size_t na = pooled(a.seconds).size(), nb = pooled(b.seconds).size();
  if (c.p > o.level && least_p(na, nb) * static_cast<double>(c.tests) > o.level)
    return fmt::format("{} and {} samples are too few to tell among {} pairs", na, nb, c.tests);
  if (c.p > o.level) return fmt::format("it may be chance (p = {:.2g})", c.p);
  if (c.interval.low <= 1 && c.interval.high >= 1)
    return fmt::format("the ratio is anything from {:.2f} to {:.2f}", c.interval.low, c.interval.high);
  if (!rounds_apart(a.seconds, b.seconds)) return "rounds of both overlap";
  return "";
}

Compared compare_pair(const Row& a, const Row& b) {
  Compared c;
  c.name = a.name;
  if (a.status == Status::invalid || b.status == Status::invalid) {
    c.verdict = Verdict::invalid;
    c.why = a.status == Status::invalid ? "before: " + a.why : b.why;
    return c;
  }
  if (!a.has_time() || !b.has_time()) {
    c.verdict = Verdict::missing;
    c.why = a.has_time() ? "after: " + b.why : "before: " + a.why;
    return c;
  }
  c.before = a.quantile_seconds(0.5), c.after = b.quantile_seconds(0.5);
  c.ratio = c.after / c.before;
  c.interval = ratio_interval(a.seconds, b.seconds, 0.99);
  c.p = mann_whitney(pooled(a.seconds), pooled(b.seconds));
  return c;
}

void decide(const Row& a, const Row& b, const CompareOptions& o, Compared& c) {
  const double share = c.ratio > 1 ? c.ratio - 1 : 1 / c.ratio - 1;
  if (share <= o.threshold) return;
  c.why = doubt(a, b, c, o);
  if (!c.why.empty()) {
    c.verdict = Verdict::unstable;
  } else {
    c.verdict = c.ratio > 1 ? Verdict::slower : Verdict::faster;
  }
}

/// Holm's correction over the pairs that were tested: those without a time are none.
void correct_for_number(std::vector<Compared>& list) {
  std::vector<double> p;
  std::vector<Compared*> tested;
  for (Compared& c : list) {
    if (c.verdict != Verdict::same) continue;
    p.push_back(c.p);
    tested.push_back(&c);
  }
  p = holm(p);
  for (size_t i = 0; i < tested.size(); ++i) tested[i]->p = p[i], tested[i]->tests = tested.size();
}

std::string only_backend(const std::vector<Row>& rows) {
  std::string name;
  for (const Row& r : rows) {
    if (!name.empty() && r.backend != name) return "";
    name = r.backend;
  }
  return name;
}

}  // namespace

std::vector<Row> by_case(const std::vector<Row>& before, const std::vector<Row>& after) {
  const std::string one = only_backend(before), other = only_backend(after);
  return one.empty() || other.empty() ? std::vector<Row>() : rows_of(before, one, other);
}

std::vector<Compared> compare_rows(const std::vector<Row>& before, const std::vector<Row>& after,
                                   const CompareOptions& options) {
  std::map<std::string, const Row*> by_name;
  for (const Row& r : before) by_name[r.name] = &r;
  std::vector<Compared> list;
  std::vector<std::pair<const Row*, const Row*>> pairs;
  for (const Row& r : after) {
    const auto found = by_name.find(r.name);
    if (found == by_name.end()) continue;
    list.push_back(compare_pair(*found->second, r));
    pairs.emplace_back(found->second, &r);
  }
  correct_for_number(list);
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i].verdict == Verdict::same) decide(*pairs[i].first, *pairs[i].second, options, list[i]);
  }
  return list;
}

std::vector<Row> rows_of(const std::vector<Row>& rows, const std::string& backend, const std::string& as) {
  std::vector<Row> list;
  for (const Row& r : rows) {
    if (r.backend != backend) continue;
    list.push_back(r);
    list.back().name = concat(r.case_name, "/backend:", as, "/l2:", r.l2);
  }
  return list;
}

std::string comparison_text(const std::vector<Compared>& list, const Sides& sides) {
  size_t width = 4;
  for (const Compared& c : list) width = std::max(width, c.name.size());
  const size_t left = std::max<size_t>(9, sides.before.size()), right = std::max<size_t>(9, sides.after.size());
  std::string out = fmt::format("{:<{}}  {:>{}} {:>{}} {:>8}  verdict\n", "case", width, sides.before, left,
                                sides.after, right, "change");
  for (const Compared& c : list) {
    const bool timed = c.before > 0;
    out += fmt::format("{:<{}}  {:>{}} {:>{}} {:>8}  {}{}{}\n", c.name, width, timed ? duration_text(c.before) : "",
                       left, timed ? duration_text(c.after) : "", right,
                       timed ? fmt::format("{:+.1f} %", 100 * (c.ratio - 1)) : "", word_for(c.verdict),
                       c.why.empty() ? "" : ": ", c.why);
  }
  return out;
}

std::string comparison_markdown(const std::vector<Compared>& list, const Sides& sides) {
  std::string out =
      fmt::format("| case | {} | {} | change | verdict |\n|---|---:|---:|---:|---|\n", sides.before, sides.after);
  for (const Compared& c : list) {
    const bool timed = c.before > 0;
    out += fmt::format("| {} | {} | {} | {} | {}{}{} |\n", c.name, timed ? duration_text(c.before) : "",
                       timed ? duration_text(c.after) : "", timed ? fmt::format("{:+.1f} %", 100 * (c.ratio - 1)) : "",
                       word_for(c.verdict), c.why.empty() ? "" : ": ", c.why);
  }
  return out;
}

}  // namespace glmv::bench
