// The page. Start at html_report() at the end.
#include <fmt/format.h>

#include <algorithm>

#include "crosscheck/isolate_text.h"
#include "crosscheck/report.h"
#include "crosscheck/report_line.h"
#include "crosscheck/report_plot.h"
#include "crosscheck/stages.h"
#include "data/html.h"

namespace glmv {
namespace {

constexpr const char* kStyle = R"(
.verdict { font-size: 18px; margin: 12px 0; } .good { color: #06672b; font-weight: 600; }
.theirs { stroke: #d55e00; stroke-width: 2; fill: none; } .floor { stroke: #555; stroke-width: 1.5; stroke-dasharray: 6 4; fill: none; }
.isolated { stroke: #0072b2; stroke-width: 1.5; fill: none; } .dot { fill: #d55e00; }
.cell { fill-opacity: 0.62; stroke: #999; stroke-opacity: 0.35; stroke-width: 0.5; } .veil { fill: #fff; fill-opacity: 0.25; } .under { filter: grayscale(1); }
td.n + td:not(.n), th.n + th:not(.n) { padding-left: 14px; } table.made th:nth-child(1) { width: 30%; } table.made th:nth-child(3) { width: 28%; }
.maps { display: flex; flex-wrap: wrap; gap: 16px; } .maps svg { flex: 1 1 320px; }
.scale { display: inline-block; width: 14px; height: 14px; vertical-align: -2px; border: 1px solid #999; }
td.first { border-left: 4px solid #a40000; padding-left: 6px; } details > summary { cursor: pointer; margin: 8px 0; }
@media print { details:not([open]) { display: none; } .cell, .veil, .scale { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
)";

std::string number(double x) { return x == 0 ? "0" : fmt::format("{:.3g}", x); }

std::string code(const std::string& text) { return "<code>" + html_escaped(text) + "</code>"; }

std::string verdict_class(const std::string& verdict) {
  if (verdict == "departs" || verdict == "made here") return "bad";
  return verdict == "noise" || verdict == "same" ? "" : "warn";
}

const PointResult* first_of(const CrosscheckReport& r) {
  return r.within() ? nullptr : &r.points[static_cast<size_t>(r.first)];
}

std::string headline(const CrosscheckReport& r) {
  const PointResult* first = first_of(r);
  if (first != nullptr)
    return fmt::format("<p class='verdict'><span class='bad'>Departs</span> first at stage {} ({}): {}</p><p>{}</p>",
                       first->stage, stage_name(first->stage), code(first->name), html_escaped(first->detail));
  if (r.verdict() == ExitCode::ok)
    return fmt::format("<p class='verdict'><span class='good'>Noise</span> throughout: {} points compared.</p>",
                       r.compared());
  if (r.verdict() == ExitCode::differs)
    return "<p class='verdict'><span class='bad'>An error was made</span> that is lost, end to end, in the noise "
           "before it.</p>";
  return "<p class='verdict'><span class='warn'>Nothing departs</span>, but not everything could be judged.</p>";
}

std::string explanation_item(const Explanation& e, const Explanations& all) {
  std::string out = fmt::format("<li>{} turns the departure into noise: residual {} (floor {}, {} without it)",
                                code(name_of(e)), number(e.residual), number(all.floor), number(all.unexplained));
  for (const std::string& name : e.mistakes) {
    const Mistake& m = find_mistake(name);
    out += fmt::format("<br><span class='quiet'>{}; the reference: {} ({})</span>", html_escaped(m.description),
                       html_escaped(m.reference), html_escaped(m.source));
  }
  if (!e.beneath.empty()) out += "<br>beneath it " + code(e.beneath) + " departs next";
  return out + "</li>";
}

std::string mistakes_block(const CrosscheckReport& r) {
  const Explanations& all = r.explanations;
  std::string out;
  for (const Explanation& e : all.found) out += explanation_item(e, all);
  if (!out.empty())
    return fmt::format(
        "<h2>The mistake that explains it</h2><ul>{}</ul><p class='quiet'>{} tried, {} pairs; residuals are {}.</p>",
        out, all.tried, all.pairs, html_escaped(all.measure));
  if (!r.tried_mistakes) return "";
  out = fmt::format("<p>No mistake of the catalogue turns the departure into noise ({} tried, {} pairs)", all.tried,
                    all.pairs);
  if (!all.closest.empty())
    out += fmt::format("; the closest is {}, residual {}, floor {}", code(name_of(all.closest[0])),
                       number(all.closest[0].residual), number(all.floor));
  return out + ".</p>";
}

std::string facts(const CrosscheckReport& r) {
  std::string out = fmt::format("<p class='quiet'>model {} · ours {}, {} · {:.2f} s</p>", code(r.model),
                                html_escaped(r.backend), name_of(r.dtype), r.seconds);
  for (const std::string& name : r.assumed) out += "<p>assumed on our side: " + code(name) + "</p>";
  if (!r.mistake.empty()) out += "<p>built into our side: " + code(r.mistake) + "</p>";
  for (const std::string& n : r.notes) out += "<p class='quiet'>read as: " + html_escaped(n) + "</p>";
  for (const std::string& w : r.warnings) out += "<p class='warn'>" + html_escaped(w) + "</p>";
  return out;
}

// ---- The ladder

std::string verdict_of_stage(const CrosscheckReport& r, const Line& line, int stage) {
  const PointResult* first = first_of(r);
  std::string out;
  if (line.compared == 0)
    out = line.unjudged > 0 ? "<span class='warn'>not judged</span>" : "taken as input";
  else if (line.within == line.compared)
    out = line.floats == 0 ? "same" : "noise";
  else if (first != nullptr && first->stage == stage)
    out = "<span class='bad'>departs first</span>";
  else if (line.isolated > 0 && line.here == 0)
    out = "<span class='warn'>inherited</span>";
  else
    out = "<span class='warn'>departs</span>";
  if (line.isolated > 0)
    out += line.here > 0 ? fmt::format(", <span class='bad'>{} of {} points made here</span>", line.here, line.isolated)
                         : fmt::format(" (isolated: noise {0}/{0})", line.isolated);
  return out;
}

std::string ladder(const CrosscheckReport& r) {
  std::string out =
      "<h2>Stages</h2><table><thead><tr><th>stage</th><th>within</th><th class='n'>of allowed</th><th class='n'>worst "
      "ulp</th><th class='n'>p99 ulp</th><th class='n'>rel L2</th><th "
      "class='n'>floor</th><th>verdict</th></tr></thead><tbody>";
  for (const Stage& stage : stages()) {
    const Line line = line_of(r, stage.number);
    if (line.compared + line.given + line.unjudged == 0) continue;
    const PointResult* first = first_of(r);
    out +=
        fmt::format("<tr><td class='{}'>{} {}</td><td>{}/{}</td>", first && first->stage == stage.number ? "first" : "",
                    stage.number, stage.name, line.within, line.compared);
    if (line.floats > 0)
      out += fmt::format(
          "<td class='n'>{}</td><td class='n'>{}</td><td class='n'>{}</td><td class='n'>{}</td><td class='n'>{}</td>",
          number(line.excess), number(line.peak_ulp), number(line.p99_ulp), number(line.relative_l2),
          number(line.floor_l2));
    else
      out += "<td colspan='5'></td>";
    out += "<td>" + verdict_of_stage(r, line, stage.number) + "</td></tr>";
  }
  return out +
         "</tbody></table><p class='quiet'>The largest of the stage's points, column by column. Of allowed: worst "
         "error / (1 ulp + 2 "
         "× the noise of its row). Floor: rel L2 of our own run in their type.</p>";
}

// ---- Isolation, heat map, router, points

std::string isolation_block(const CrosscheckReport& r) {
  if (!r.isolation) return "";
  const std::vector<std::string> made = births(r);
  std::string out = fmt::format(
      "<h2>Where errors are made</h2><p>Every segment was started from their own points: {} of {} points "
      "make an error, {} inherit one.</p>",
      made.size(), r.isolation->points.size(), r.isolation->count(Born::inherited));
  if (made.empty()) return out;
  out += "<table class='made'><thead><tr><th>point</th><th>error</th><th>computed from</th></tr></thead><tbody>";
  constexpr size_t kShown = 40;
  for (size_t i = 0; i < std::min(made.size(), kShown); ++i) {
    const IsolatedPoint& p = r.isolation->points.at(made[i]);
    std::string from = html_escaped(fmt::format("{}", fmt::join(p.upstream.from, ", ")));
    if (!p.upstream.absent.empty())
      from +=
          fmt::format(" <span class='warn'>({} points between are not in the trace)</span>", p.upstream.absent.size());
    out +=
        fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td></tr>", code(made[i]), html_escaped(p.result.detail), from);
  }
  return out + "</tbody></table>" +
         (made.size() > kShown ? fmt::format("<p>and {} more</p>", made.size() - kShown) : "");
}

std::string heat_block(const CrosscheckReport& r, const Theirs& theirs, const ModelConfig& config) {
  const PointResult* first = first_of(r);
  if (first == nullptr) return "";
  const std::string map = heat_map(*first, theirs, config);
  if (map.empty()) return "";
  return fmt::format(
      "<h2>Where in the point</h2><p>{}: rows beyond what is allowed, from the smallest departure "
      "<span class='scale' style='background:rgb(255,170,40)'></span> to the largest "
      "<span class='scale' style='background:rgb(145,0,0)'></span>, {} times what is allowed.</p><div "
      "class='maps'>{}</div>",
      code(first->name), number(first->theirs.excess), map);
}

std::string router_block(const CrosscheckReport& r) {
  std::string rows;
  for (const RouterRow& row : r.router) {
    const RouterAgreement& a = row.agreement;
    rows += fmt::format(
        "<tr><td>{}{}</td><td class='n'>{}</td><td class='n'>{}</td><td class='n'>{}</td><td class='n {}'>{}</td><td "
        "class='n'>{}</td><td class='n'>{}</td></tr>",
        row.step > 0 ? fmt::format("step {}, ", row.step) : "", row.layer, a.tokens, a.equal, a.flipped,
        a.beyond > 0 && !row.behind ? "bad" : "", a.beyond, number(a.smallest_margin), number(a.uncertain));
  }
  if (rows.empty()) return "";
  return "<h2>Routers</h2><table><thead><tr><th>layer</th><th class='n'>tokens</th><th class='n'>same experts</th><th "
         "class='n'>flips within the margin</th><th class='n'>beyond it</th><th class='n'>smallest margin</th><th "
         "class='n'>scores uncertain by</th></tr></thead><tbody>" +
         rows + "</tbody></table>";
}

std::string points_block(const CrosscheckReport& r) {
  std::string rows;
  for (const PointResult& p : r.points) {
    const std::string verdict = verdict_of(r, p);
    rows += fmt::format("<tr><td>{}</td><td>[{}]</td>", code(p.name), fmt::join(p.shape, ","));
    if (p.kind == PointKind::noise)
      rows += fmt::format("<td class='n'>{}</td><td class='n'>{}</td><td class='n'>{}</td>", number(p.theirs.excess),
                          number(p.theirs.relative_l2), number(p.floor_l2));
    else
      rows += "<td colspan='3'></td>";
    rows += fmt::format("<td class='{}'>{}</td></tr>", verdict_class(verdict), verdict);
  }
  return "<details><summary>All points</summary><table><thead><tr><th>point</th><th>shape</th><th class='n'>of "
         "allowed</th>"
         "<th class='n'>rel L2</th><th class='n'>floor</th><th>verdict</th></tr></thead><tbody>" +
         rows + "</tbody></table></details>";
}

}  // namespace

std::string html_report(const CrosscheckReport& r, const Theirs& theirs, const ModelConfig& config) {
  std::string out = html_head("glmv crosscheck: " + r.theirs, kStyle);
  out +=
      "<h1>Cross-check of " + html_escaped(r.theirs) + "</h1>" + facts(r) + headline(r) + mistakes_block(r) + ladder(r);
  const std::string curve = layer_curve_svg(r);
  if (!curve.empty()) out += "<h2>Error by layer</h2><p>|theirs − gold| / |gold|, logarithmic.</p>" + curve;
  out += heat_block(r, theirs, config) + isolation_block(r) + router_block(r) + points_block(r);
  return out + "</body></html>\n";
}

}  // namespace glmv
