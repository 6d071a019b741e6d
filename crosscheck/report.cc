#include "crosscheck/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crosscheck/stages.h"

namespace glmv {
namespace {

using Json = nlohmann::ordered_json;

const char* name_of(PointKind k) {
  switch (k) {
    case PointKind::given: return "given";
    case PointKind::exact: return "exact";
    case PointKind::noise: return "noise";
    case PointKind::routing: return "routing";
    case PointKind::sampled: return "sampled";
  }
  return "?";
}

/// What a stage's or a point's numbers come to.
struct Line {
  int64_t points = 0, within = 0, floats = 0;
  double peak_ulp = 0, allowed_ulp = 0, noise_ulp = 0, excess = 0;

  void add(const PointResult& p) {
    ++points;
    within += p.within;
    if (p.kind != PointKind::noise) return;
    ++floats;
    peak_ulp = std::max(peak_ulp, p.theirs.peak_ulp);
    noise_ulp = std::max(noise_ulp, p.noise_ulp);
    if (p.theirs.excess >= excess) excess = p.theirs.excess, allowed_ulp = p.theirs.allowed_ulp;
  }
};

std::string number(double x) { return x == 0 ? "0" : fmt::format("{:.3g}", x); }

std::string cells(const Line& l) {
  if (l.floats == 0) return fmt::format("{:>10} {:>10} {:>10}", "", "", "");
  return fmt::format("{:>10} {:>10} {:>10}", number(l.peak_ulp), number(l.noise_ulp), number(l.excess));
}

std::string head(const CrosscheckReport& r) {
  const std::string mistake =
      r.mistake.empty() ? "" : fmt::format("\nbuilt in  {}: {}", r.mistake, find_mistake(r.mistake).description);
  return fmt::format("model     {}\ntheirs    {}\nours      {}, {}{}\n", r.model, r.theirs, r.backend, name_of(r.dtype),
                     mistake);
}

std::string stage_lines(const CrosscheckReport& r) {
  std::string out = fmt::format("\n{:<22} {:>9} {:>10} {:>10} {:>10}  {}\n", "stage", "within", "worst ulp", "our ulp",
                                "of allowed", "verdict");
  bool departed = false;
  for (const Stage& stage : stages()) {
    Line line;
    bool given = true;
    for (const PointResult& p : r.points) {
      if (p.stage != stage.number) continue;
      line.add(p);
      given = given && p.kind == PointKind::given;
    }
    if (line.points == 0) continue;
    const bool first = r.first >= 0 && r.points[static_cast<size_t>(r.first)].stage == stage.number;
    const bool ok = line.within == line.points;
    const std::string verdict = given      ? "taken as input"
                                : ok       ? (line.floats ? "noise" : "same")
                                : first    ? "DEPARTS   <-- first departure"
                                : departed ? "departs (after the first)"
                                           : "DEPARTS";
    departed = departed || first;
    out += fmt::format("{:>2} {:<19} {:>9} {}  {}\n", stage.number, stage.name,
                       fmt::format("{}/{}", line.within, line.points), cells(line), verdict);
  }
  return out;
}

std::string point_lines(const CrosscheckReport& r) {
  std::string out =
      fmt::format("\n{:<58} {:>10} {:>10} {:>10}  {}\n", "point", "worst ulp", "our ulp", "of allowed", "verdict");
  for (size_t i = 0; i < r.points.size(); ++i) {
    const PointResult& p = r.points[i];
    Line line;
    line.add(p);
    std::string verdict = p.kind == PointKind::given ? "taken as input"
                          : p.within                 ? (p.kind == PointKind::noise ? "noise" : "same")
                                                     : "DEPARTS";
    if (p.flips > 0 && p.within) verdict = fmt::format("{} legal flips", p.flips);
    if (static_cast<int64_t>(i) == r.first) verdict += "   <-- first departure";
    out += fmt::format("{:<58} {}  {}\n", p.name, cells(line), verdict);
  }
  return out;
}

std::string departure(const CrosscheckReport& r) {
  const PointResult& p = r.points[static_cast<size_t>(r.first)];
  std::string stage;
  for (const Stage& s : stages()) {
    if (s.number == p.stage) stage = s.name;
  }
  std::string out = fmt::format("\nFIRST DEPARTURE at stage {} ({}): {}\n  {}\n", p.stage, stage, p.name, p.detail);
  if (!r.mistake.empty()) return out;
  for (const std::string& name : r.explained_by) {
    out += fmt::format("  known mistake: {} turns it into noise: {}\n", name, find_mistake(name).description);
  }
  if (r.explained_by.empty())
    out += "  no mistake of the catalogue turns it into noise (--list-mistakes prints them)\n";
  return out;
}

}  // namespace

std::string text_report(const CrosscheckReport& r, bool every_point) {
  std::string out = head(r) + (every_point ? point_lines(r) : stage_lines(r));
  const auto within = std::count_if(r.points.begin(), r.points.end(), [](const PointResult& p) { return p.within; });
  const auto noisy =
      std::count_if(r.points.begin(), r.points.end(), [](const PointResult& p) { return !p.ours_within; });
  if (!r.within()) out += departure(r);
  out += fmt::format("\n{} of {} points within noise, {} legal router flips, {:.1f} s\n", within, r.points.size(),
                     r.flips(), r.seconds);
  out +=
      "ulp = spacing of the result's type at the gold value; of allowed = worst error / (1 ulp + 2 x our own error in "
      "that row)\n";
  if (noisy > 0)
    out += fmt::format("note: at {} points our own run is further from gold than theirs would allow\n", noisy);
  for (const std::string& w : r.warnings) out += "warning: " + w + '\n';
  if (!r.unknown.empty())
    out +=
        fmt::format("{} tensors of the trace are no points of ours, the first is {}\n", r.unknown.size(), r.unknown[0]);
  return out;
}

std::string json_report(const CrosscheckReport& r) {
  Json points = Json::array();
  for (const PointResult& p : r.points) {
    Json j = {{"name", p.name}, {"stage", p.stage}, {"kind", name_of(p.kind)}, {"within", p.within}};
    if (p.kind == PointKind::noise) {
      j.update({{"peak_ulp", p.theirs.peak_ulp},
                {"p99_ulp", p.theirs.p99_ulp},
                {"our_peak_ulp", p.noise_ulp},
                {"of_allowed", p.theirs.excess},
                {"relative_l2", p.theirs.relative_l2},
                {"cosine", p.theirs.cosine},
                {"worst_index", p.theirs.worst},
                {"gold", p.theirs.gold},
                {"theirs", p.theirs.got},
                {"allowed", p.theirs.allowed}});
    }
    if (p.kind == PointKind::routing) j["legal_flips"] = p.flips;
    if (!p.within) j["detail"] = p.detail;
    points.push_back(std::move(j));
  }
  Json out = {{"schema", "glmv.crosscheck/1"},
              {"model", r.model},
              {"theirs", r.theirs},
              {"backend", r.backend},
              {"dtype", name_of(r.dtype)},
              {"mistake", r.mistake.empty() ? Json() : Json(r.mistake)},
              {"within", r.within()}};
  out["first_departure"] = r.within() ? Json() : points[static_cast<size_t>(r.first)];
  out["explained_by"] = r.explained_by;
  out["legal_flips"] = r.flips();
  out["duration_ns"] = static_cast<int64_t>(r.seconds * 1e9);
  out["warnings"] = r.warnings;
  out["not_compared"] = r.unknown;
  out["points"] = std::move(points);
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace glmv
