#include "crosscheck/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crosscheck/explain_text.h"
#include "crosscheck/isolate_text.h"
#include "crosscheck/report_line.h"
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
    case PointKind::misshapen: return "misshapen";
    case PointKind::unjudged: return "unjudged";
  }
  return "?";
}

std::string number(double x) { return x == 0 ? "0" : fmt::format("{:.3g}", x); }

std::string cells(const Line& l) {
  if (l.floats == 0) return fmt::format("{:>10} {:>9} {:>9} {:>9} {:>9}", "", "", "", "", "");
  return fmt::format("{:>10} {:>9} {:>9} {:>9} {:>9}", number(l.excess), number(l.peak_ulp), number(l.p99_ulp),
                     number(l.relative_l2), number(l.floor_l2));
}

std::string head(const CrosscheckReport& r) {
  std::string out =
      fmt::format("model     {}\ntheirs    {}\nours      {}, {}\n", r.model, r.theirs, r.backend, name_of(r.dtype));
  for (const std::string& name : r.assumed)
    out += fmt::format("assumed   {}, on our side: {}\n", name, find_mistake(name).description);
  if (!r.mistake.empty())
    out += fmt::format("built in  {}, on our side: {}\n", r.mistake, find_mistake(r.mistake).description);
  for (const std::string& n : r.notes) out += "read as   " + n + '\n';
  for (const std::string& w : r.warnings) out += "WARNING   " + w + '\n';
  return out;
}

const IsolatedPoint* find_isolated(const CrosscheckReport& r, const std::string& name) {
  return r.isolation ? r.isolation->find(name) : nullptr;
}

std::string verdict(const Line& line) {
  if (line.compared == 0) return line.unjudged > 0 ? "NOT JUDGED" : "taken as input";
  return line.floats > 0 ? "noise" : "same";
}

/// What isolation adds to the verdict of a stage or a point behind the first departure.
std::string isolation_words(const Line& line) {
  if (line.here > 0) return fmt::format("; {} of {} points MADE HERE", line.here, line.isolated);
  return fmt::format(" (isolated: noise {}/{})", line.isolated, line.isolated);
}

std::string stage_verdict(const Line& line, bool first, bool departed) {
  if (first) return "DEPARTS   <-- first departure";
  if (line.within == line.compared) return verdict(line) + (line.here > 0 ? isolation_words(line) : "");
  if (!departed) return "DEPARTS";
  if (line.isolated > 0) return (line.here > 0 ? "departs" : "inherited") + isolation_words(line);
  return "departs (after the first)";
}

constexpr const char* kColumns = "{:>10} {:>9} {:>9} {:>9} {:>9}";

std::string column_heads() {
  return fmt::format(fmt::runtime(kColumns), "of allowed", "worst ulp", "p99 ulp", "rel L2", "floor");
}

std::string shape_text(const PointResult& p) {
  return p.shape.empty() ? "" : fmt::format("[{}]", fmt::join(p.shape, ","));
}

std::string stage_lines(const CrosscheckReport& r) {
  std::string out =
      fmt::format("\n{:<22} {:>13} {:>9} {}  {}\n", "stage", "shape", "within", column_heads(), "verdict");
  bool departed = false;
  for (const Stage& stage : stages()) {
    const Line line = line_of(r, stage.number);
    std::string shape;
    for (const PointResult& p : r.points) {
      if (p.stage != stage.number) continue;
      const bool in_prompt = split_step(p.name).step == 0;
      if (shape.empty() || (p.stage > 3 && in_prompt)) shape = shape_text(p);  // what the stage ends with
    }
    if (line.compared + line.given + line.unjudged == 0) continue;
    const bool first = r.first >= 0 && r.points[static_cast<size_t>(r.first)].stage == stage.number;
    std::string end = stage_verdict(line, first, departed);
    departed = departed || first;
    if (line.unjudged > 0 && line.compared > 0) end += fmt::format(", {} points NOT (wholly) JUDGED", line.unjudged);
    const std::string share = line.compared == 0 ? "" : fmt::format("{}/{}", line.within, line.compared);
    out += fmt::format("{:>2} {:<19} {:>13} {:>9} {}  {}\n", stage.number, stage.name, shape, share, cells(line), end);
  }
  return out;
}

std::string point_lines(const CrosscheckReport& r) {
  std::string out = fmt::format("\n{:<58} {:>13} {}  {}\n", "point", "shape", column_heads(), "verdict");
  for (size_t i = 0; i < r.points.size(); ++i) {
    const PointResult& p = r.points[i];
    Line line;
    line.add(p);
    std::string end = p.within ? verdict(line) : "DEPARTS";
    if (p.unjudged_rows > 0 && p.compared()) end += fmt::format(", {} rows NOT JUDGED", p.unjudged_rows);
    if (p.flips > 0 && p.within) end = fmt::format("{} legal flips", p.flips);
    if (!p.layout.empty()) end += " (" + p.layout + ')';
    if (const IsolatedPoint* isolated = find_isolated(r, p.name); isolated && isolated->born != Born::noise)
      end += concat(", ", name_of(isolated->born));
    if (static_cast<int64_t>(i) == r.first) end += "   <-- first departure";
    out += fmt::format("{:<58} {:>13} {}  {}\n", p.name, shape_text(p), cells(line), end);
  }
  return out;
}

std::string departure(const CrosscheckReport& r) {
  const PointResult& p = r.points[static_cast<size_t>(r.first)];
  std::string out =
      fmt::format("\nFIRST DEPARTURE at stage {} ({}): {}\n  {}\n", p.stage, stage_name(p.stage), p.name, p.detail);
  if (!r.not_seen.empty()) {
    out += fmt::format("  it may have been born earlier: the {} points just before it are not in the trace, from {}\n",
                       r.not_seen.size(), r.not_seen.front());
  }
  if (r.tried_mistakes) out += explanations_text(r.explanations, p.stage);
  return out;
}

constexpr const char* kLegend =
    "of allowed: worst error / (1 ulp + 2 x the noise of that row). ulp: spacing of the stored type at the size of "
    "the\n"
    "row. rel L2: |theirs - gold| / |gold|; floor: the same of our own run in their type.\n";

std::string points_there_are(const CrosscheckReport& r) {
  if (r.model_points == 0) return "";
  const char* words = r.pack_floors ? "the pack has {} that the model computes" : "the model has {} points";
  return ", " + fmt::format(fmt::runtime(words), r.model_points);
}

std::string counts(const CrosscheckReport& r) {
  Line all;
  for (const PointResult& p : r.points) all.add(p);
  if (r.verdict() == ExitCode::skipped && all.unjudged == 0)
    return fmt::format("\nNOTHING COMPARED: the trace has none of the {} points that the model computes{}\n",
                       r.model_points,
                       r.left_out == 0 ? "" : fmt::format(", but {} that --only leaves out", r.left_out));
  return fmt::format("\n{} of {} compared points within noise ({} taken as input{}), {} legal router flips, {:.2f} s\n",
                     all.within, all.compared, all.given, points_there_are(r), r.flips(), r.seconds);
}

std::string unjudged_line(const CrosscheckReport& r) {
  const auto first =
      std::find_if(r.points.begin(), r.points.end(), [](const PointResult& p) { return p.unjudged_rows > 0; });
  if (first == r.points.end()) return "";
  return fmt::format("{} points CANNOT BE JUDGED, or not in every row, from {} on, {} rows of it: {}\n", r.unjudged(),
                     first->name, first->unjudged_rows, first->why_unjudged);
}

std::string floors_line(const CrosscheckReport& r) {
  int64_t points = 0;
  double share = 0;
  for (const PointResult& p : r.points) points += p.floor_share > 0, share = std::max(share, p.floor_share);
  if (points == 0) return "";
  return fmt::format("{} points take noise from the {} floors, up to {} times the noise of {}\n", points,
                     r.pack_floors ? "pack's" : "trace's own", number(share),
                     r.pack_floors ? "one run" : "all our runs");
}

}  // namespace

std::string text_report(const CrosscheckReport& r, bool every_point) {
  std::string out = head(r) + (every_point ? point_lines(r) : stage_lines(r));
  const bool disagree = std::any_of(r.router.begin(), r.router.end(), [](const RouterRow& row) {
    return row.agreement.flipped + row.agreement.beyond > 0;
  });
  if (every_point || disagree) out += router_text(r.router);
  if (!r.within()) out += departure(r);
  if (r.isolation) out += isolation_text(r);
  out += counts(r) + unjudged_line(r) + kLegend + floors_line(r);
  if (r.dtype == DType::bf16 && r.within() && !r.isolation && r.model_points > 0)
    out += "What a layer does wrong may lie below the bf16 noise that reaches it: --isolate judges each by itself.\n";
  const auto noisy =
      std::count_if(r.points.begin(), r.points.end(), [](const PointResult& p) { return !p.ours_within; });
  if (noisy > 0)
    out += fmt::format("note: at {} points our own run is further from gold than theirs would allow\n", noisy);
  return out;
}

namespace {

Json isolated_json(const IsolatedPoint& p) {
  return {{"verdict", name_of(p.born)},
          {"of_allowed", p.result.theirs.excess},
          {"peak_ulp", p.result.theirs.peak_ulp},
          {"relative_l2", p.result.theirs.relative_l2},
          {"detail", p.result.detail},
          {"from", p.upstream.from},
          {"not_in_trace", p.upstream.absent}};
}

Json isolation_json(const Isolation& i) {
  return {{"made_here", i.count(Born::here)},
          {"input_not_in_trace", i.count(Born::no_input)},
          {"inherited", i.count(Born::inherited)},
          {"noise", i.count(Born::noise)},
          {"segments", i.segments},
          {"weight_bytes", i.weight_bytes},
          {"largest_segment", i.largest_segment},
          {"largest_segment_bytes", i.largest_segment_bytes},
          {"peak_rss_bytes", i.peak_rss_bytes},
          {"duration_ns", static_cast<int64_t>(i.seconds * 1e9)}};
}

}  // namespace

std::string json_report(const CrosscheckReport& r) {
  Json points = Json::array();
  for (const PointResult& p : r.points) {
    Json j = {{"name", p.name}, {"stage", p.stage}, {"kind", name_of(p.kind)}, {"within", p.within}};
    if (p.kind == PointKind::noise) {
      j.update({{"peak_ulp", p.theirs.peak_ulp},
                {"peak_row_ulp", p.theirs.peak_row_ulp},
                {"p99_ulp", p.theirs.p99_ulp},
                {"our_peak_row_ulp", p.noise_ulp},
                {"of_allowed", p.theirs.excess},
                {"relative_l2", p.theirs.relative_l2},
                {"floor_relative_l2", p.floor_l2},
                {"cosine", p.theirs.cosine},
                {"worst_index", p.theirs.worst},
                {"gold", p.theirs.gold},
                {"theirs", p.theirs.got},
                {"allowed", p.theirs.allowed}});
    }
    if (p.floor_share > 0) j["floor_share"] = p.floor_share;
    if (p.unjudged_rows > 0) j["unjudged_rows"] = p.unjudged_rows;
    if (!p.layout.empty()) j["read_as"] = p.layout;
    if (p.kind == PointKind::routing) j["legal_flips"] = p.flips;
    if (!p.detail.empty()) j["detail"] = p.detail;
    if (const IsolatedPoint* isolated = find_isolated(r, p.name)) j["isolated"] = isolated_json(*isolated);
    points.push_back(std::move(j));
  }
  Json out = {{"schema", "glmv.crosscheck/1"},
              {"model", r.model},
              {"theirs", r.theirs},
              {"backend", r.backend},
              {"dtype", name_of(r.dtype)},
              {"mistake", r.mistake.empty() ? Json() : Json(r.mistake)},
              {"assumed", r.assumed},
              {"within", r.within()},
              {"compared", r.compared()},
              {"unjudged", r.unjudged()},
              {"model_points", r.model_points}};
  out["first_departure"] = r.within() ? Json() : points[static_cast<size_t>(r.first)];
  out["not_seen_before_it"] = r.not_seen;
  out["explained_by"] = r.explained_by;
  if (r.tried_mistakes) out["explanations"] = Json::parse(explanations_json(r.explanations));
  out["legal_flips"] = r.flips();
  out["router"] = Json::parse(router_json(r.router));
  out["duration_ns"] = static_cast<int64_t>(r.seconds * 1e9);
  out["read_as"] = r.notes;
  out["warnings"] = r.warnings;
  out["not_compared"] = r.unknown;
  if (r.isolation) out["isolation"] = isolation_json(*r.isolation);
  out["points"] = std::move(points);
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

}  // namespace glmv
