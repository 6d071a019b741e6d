// Reports for programs: JSON lines and JUnit XML.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "crosscheck/isolate_text.h"
#include "crosscheck/report.h"
#include "crosscheck/stages.h"
#include "data/html.h"

namespace glmv {
namespace {

using Json = nlohmann::ordered_json;

/// JSON has no infinity.
Json number(double x) { return std::isfinite(x) ? Json(x) : Json(); }

Json layer_of(const PointResult& p) {
  const int64_t layer = split_layer(split_step(p.name).point).layer;
  return layer < 0 ? Json() : Json(layer);
}

Json line_of(const CrosscheckReport& report, const PointResult& p) {
  Json j = {{"record", "probe"},
            {"probe", p.name},
            {"stage", p.stage},
            {"layer", layer_of(p)},
            {"shape", p.shape},
            {"dtype", name_of(p.stored)},
            {"verdict", verdict_of(report, p)}};
  if (p.kind == PointKind::noise) {
    const double l2 = p.theirs.relative_l2;
    j.update({{"peak_ulp", number(p.theirs.peak_row_ulp)},
              {"p99_ulp", number(p.theirs.p99_ulp)},
              {"rel_l2", number(l2)},
              {"cosine", number(p.theirs.cosine)},
              {"nmse", number(l2 * l2)},
              {"floor", number(p.floor_l2)},
              {"of_allowed", number(p.theirs.excess)},
              {"worst_index", p.theirs.worst}});
  }
  if (!p.detail.empty()) j["detail"] = p.detail;
  const IsolatedPoint* isolated = report.isolation ? report.isolation->find(p.name) : nullptr;
  if (isolated != nullptr)
    j["isolated"] = {{"of_allowed", number(isolated->result.theirs.excess)},
                     {"rel_l2", number(isolated->result.theirs.relative_l2)},
                     {"from", isolated->upstream.from}};
  return j;
}

Json summary_of(const CrosscheckReport& r) {
  Json j = {{"record", "summary"},
            {"schema", "glmv.crosscheck_lines/1"},
            {"model", r.model},
            {"theirs", r.theirs},
            {"dtype", name_of(r.dtype)},
            {"within", r.within()},
            {"compared", r.compared()},
            {"unjudged", r.unjudged()},
            {"legal_flips", r.flips()},
            {"first_departure", r.within() ? Json() : Json(r.points[static_cast<size_t>(r.first)].name)},
            {"explained_by", r.explained_by},
            {"warnings", r.warnings},
            {"duration_ns", static_cast<int64_t>(r.seconds * 1e9)}};
  if (r.isolation) {
    j["made_here"] = births(r);
    j["inherited"] = r.isolation->count(Born::inherited);
    j["peak_rss_bytes"] = r.isolation->peak_rss_bytes;
  }
  return j;
}

/// Control characters have no place in XML 1.0, not even escaped.
std::string xml(const std::string& text) {
  std::string out = html_escaped(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\n') c = '?';
  }
  return out;
}

struct Suite {
  std::string cases;
  int64_t tests = 0, failures = 0, skipped = 0;
};

void add_case(const CrosscheckReport& report, const PointResult& p, Suite& suite) {
  const std::string verdict = verdict_of(report, p);
  std::string inside;
  if (verdict == "departs" || verdict == "made here" || verdict == "input not in the trace") {
    ++suite.failures;
    const IsolatedPoint* isolated = report.isolation ? report.isolation->find(p.name) : nullptr;
    const std::string& detail = p.detail.empty() && isolated != nullptr ? isolated->result.detail : p.detail;
    inside = fmt::format("<failure type=\"{}\" message=\"{}\"/>", xml(verdict), xml(detail));
  } else if (verdict == "inherited" || verdict == "not judged") {
    ++suite.skipped;
    inside = fmt::format("<skipped message=\"{}\"/>", xml(verdict + (p.detail.empty() ? "" : ": " + p.detail)));
  }
  ++suite.tests;
  suite.cases += fmt::format("    <testcase classname=\"stage {:02}: {}\" name=\"{}\">{}</testcase>\n", p.stage,
                             xml(stage_name(p.stage)), xml(p.name), inside);
}

}  // namespace

std::string verdict_of(const CrosscheckReport& report, const PointResult& p) {
  const IsolatedPoint* isolated = report.isolation ? report.isolation->find(p.name) : nullptr;
  if (p.kind == PointKind::given) return "taken as input";
  if (p.kind == PointKind::unjudged) return "not judged";
  if (isolated != nullptr && isolated->born != Born::noise) return name_of(isolated->born);
  if (!p.within) return "departs";
  return p.kind == PointKind::noise ? "noise" : "same";
}

std::string jsonl_report(const CrosscheckReport& report) {
  std::string out;
  const auto add = [&](const Json& j) { out += j.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n'; };
  for (const PointResult& p : report.points) {
    if (p.kind != PointKind::given) add(line_of(report, p));
  }
  add(summary_of(report));
  return out;
}

std::string junit_report(const CrosscheckReport& report) {
  std::string suites;
  int64_t tests = 0, failures = 0, skipped = 0;
  for (const Stage& stage : stages()) {
    Suite suite;
    for (const PointResult& p : report.points) {
      if (p.stage == stage.number && p.kind != PointKind::given) add_case(report, p, suite);
    }
    if (suite.tests == 0) continue;
    tests += suite.tests, failures += suite.failures, skipped += suite.skipped;
    suites += fmt::format(
        "  <testsuite name=\"stage {:02}: {}\" tests=\"{}\" failures=\"{}\" skipped=\"{}\" errors=\"0\">\n{}  "
        "</testsuite>\n",
        stage.number, xml(stage.name), suite.tests, suite.failures, suite.skipped, suite.cases);
  }
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"glmv crosscheck {}\" tests=\"{}\" "
      "failures=\"{}\" "
      "skipped=\"{}\" errors=\"0\" time=\"{:.3f}\">\n{}</testsuites>\n",
      xml(report.theirs), tests, failures, skipped, report.seconds, suites);
}

}  // namespace glmv
