#include "bench/page.h"

#include <fmt/format.h>

#include <map>

#include "data/html.h"

namespace glmv::bench {
namespace {

constexpr const char* kStyle = R"(
.scroll { overflow-x: auto; } table.rows { table-layout: fixed; min-width: 900px; }
table.rows th:nth-child(1) { width: 24%; } table.rows th:nth-child(2) { width: 8%; } table.rows th:nth-child(4) { width: 15%; }
table.rows th:nth-child(7) { width: 13%; } td.wide, table.rows th:nth-child(8) { padding-left: 10px; }
table.rows th { white-space: normal; }
.bar { background: #e6e6e6; height: 9px; margin-top: 5px; } .bar div { background: #0072b2; height: 9px; }
.roof { fill: none; stroke: #111; stroke-width: 2; } .sheet { fill: none; stroke: #777; stroke-width: 1.5; stroke-dasharray: 7 5; }
.legend { fill: #fff; stroke: #bbb; }
@media print { .bar, .bar div { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
)";

/// Names may be broken behind their underscores.
std::string breakable(const std::string& name) {
  std::string out;
  for (const char c : escaped(name)) out += c == '_' ? "_<wbr>" : std::string(1, c);
  return out;
}

std::string share(double of) { return of > 0 ? fmt::format("{:.0f} %", 100 * of) : ""; }

std::string ceilings_table(const BenchResult& result) {
  std::string out =
      "<table><thead><tr><th>backend</th><th>device</th><th class='n'>read</th><th class='n'>copy</th>"
      "<th class='n'>f32</th><th class='n'>bf16</th><th class='n'>datasheet</th></tr></thead><tbody>";
  for (const Ceilings& c : result.ceilings) {
    const auto rate = [](double r, const char* unit) { return r > 0 ? rate_text(r, unit) : std::string("-"); };
    out += fmt::format(
        "<tr><td>{}</td><td>{}</td><td class='n'>{}</td><td class='n'>{}</td><td class='n'>{}</td><td class='n'>{}</td>"
        "<td class='n'>{}</td></tr>",
        escaped(c.backend), escaped(c.device), rate(c.measured.read_bytes_per_s, "B/s"),
        rate(c.measured.copy_bytes_per_s, "B/s"), rate(c.measured.f32_flops_per_s, "FLOP/s"),
        rate(c.measured.bf16_flops_per_s, "FLOP/s"),
        c.sheet.bandwidth() > 0
            ? rate_text(c.sheet.bandwidth(), "B/s") + ", " + rate_text(c.sheet.bf16_flops_per_s, "FLOP/s")
            : "-");
  }
  return out + "</tbody></table>";
}

std::string bar(double of) {
  if (of <= 0) return "";
  return fmt::format("<div class='bar'><div style='width:{:.0f}%'></div></div>", std::min(100.0, 100 * of));
}

std::string row_line(const Row& r) {
  std::string out = fmt::format("<tr><td class='name'>{}</td><td>{}</td>",
                                breakable(r.case_name.substr(r.op.size() + 1)), escaped(r.backend));
  if (!r.has_time()) {
    return out + fmt::format("<td colspan='7' class='{}'>{}: {}<br><code>{}</code></td></tr>",
                             r.status == Status::invalid ? "bad" : "warn", word_for(r.status), escaped(r.why),
                             r.status == Status::invalid ? escaped(r.repro) : "");
  }
  const double median = r.quantile_seconds(0.5);
  out += fmt::format(
      "<td class='n'>{}</td><td class='n'>{} – {}</td><td class='n'>{}</td><td class='n'>{}</td><td class='n'>{}</td>"
      "<td class='wide'>{}</td><td class='n'>{:.2f}</td></tr>",
      duration_text(median), duration_text(r.quantile_seconds(0.25)), duration_text(r.quantile_seconds(0.75)),
      r.cost.flops > 0 ? rate_text(r.flops_per_s(), "FLOP/s") : "", rate_text(r.bytes_per_s(), "B/s"),
      r.measured.seconds > 0
          ? concat(duration_text(r.measured.seconds), r.measured.bound == Bound::compute ? " arithmetic" : " memory")
          : "",
      share(r.of_roofline()) + (is_above_roof(r) ? " <span class='warn'>above</span>" : "") + bar(r.of_roofline()),
      r.of_allowed);
  if (r.status == Status::unstable)
    out += fmt::format("<tr><td colspan='9' class='warn'>unstable: {}</td></tr>", escaped(r.why));
  return out;
}

std::string op_tables(const BenchResult& result) {
  std::vector<std::string> order;
  std::map<std::string, std::string> lines;
  for (const Row& r : result.rows) {
    if (lines.count(r.op) == 0) order.push_back(r.op);
    lines[r.op] += row_line(r);
  }
  std::string out;
  for (const std::string& op : order) {
    out += fmt::format(
        "<h2>{}</h2><div class='scroll'><table class='rows'><thead><tr><th>case</th><th>backend</th><th "
        "class='n'>median</th><th "
        "class='n'>quartiles</th>"
        "<th class='n'>arithmetic</th><th class='n'>traffic</th><th class='n'>roofline</th><th>of roofline</th>"
        "<th class='n'>error of allowed</th></tr></thead><tbody>{}</tbody></table></div>",
        escaped(op), lines[op]);
  }
  return out;
}

std::string compared_table(const std::vector<Compared>& compared) {
  if (compared.empty()) return "";
  std::string out =
      "<h2>Comparison</h2><table><thead><tr><th>case</th><th class='n'>before</th><th class='n'>after</th>"
      "<th class='n'>change</th><th>verdict</th></tr></thead><tbody>";
  for (const Compared& c : compared) {
    const bool bad = c.verdict == Verdict::slower || c.verdict == Verdict::invalid, timed = c.before > 0;
    out += fmt::format(
        "<tr><td class='name'>{}</td><td class='n'>{}</td><td class='n'>{}</td><td class='n'>{}</td><td "
        "class='{}'>{}{}{}"
        "</td></tr>",
        breakable(c.name), timed ? duration_text(c.before) : "", timed ? duration_text(c.after) : "",
        timed ? fmt::format("{:+.1f} %", 100 * (c.ratio - 1)) : "", bad ? "bad" : "", word_for(c.verdict),
        c.why.empty() ? "" : ": ", escaped(c.why));
  }
  return out + "</tbody></table>";
}

}  // namespace

std::string page_of(const BenchResult& result, const std::vector<Compared>& compared) {
  const Machine& m = result.machine;
  std::string out = html_head("glmv bench", kStyle);
  out += fmt::format(
      "<h1>Kernels at GLM-4.5V's sizes</h1><p class='quiet'>{}, {} of {} cores, load {:.1f} "
      "before · {} · {} · commit {} · {}</p><p><code>{}</code></p>",
      escaped(m.cpu), m.threads, m.cpus, result.load, escaped(m.os), escaped(m.build), escaped(m.commit),
      result.created, escaped(result.command));
  out += "<h2>What the machine reaches</h2><p>Measured in the same run; they are the roofline's ceilings.</p>";
  out += ceilings_table(result);
  for (const std::string& note : notes_on_roofs(result)) out += fmt::format("<p class='warn'>{}</p>", escaped(note));
  for (const Ceilings& c : result.ceilings) {
    const std::string plot = roofline_svg(c, result.rows);
    if (!plot.empty()) out += fmt::format("<h2>Roofline: {} ({})</h2>{}", escaped(c.backend), escaped(c.device), plot);
  }
  out += compared_table(compared);
  out += op_tables(result);
  out +=
      "<h2>How to read this</h2><p>Every case was checked against an f64 run before it was timed; <em>error of "
      "allowed</em> is its "
      "largest error as a share of what rounding allows, so 1 is the limit. Times are medians of single calls with "
      "quartiles; "
      "between calls the cache was ";
  out += result.rows.empty()             ? ""
         : result.rows[0].l2 == "cold"   ? "emptied"
         : result.rows[0].l2 == "rotate" ? "outrun by rotating copies"
                                         : "left warm";
  out +=
      ". <em>Roofline</em> is the least time the measured ceilings allow, and which of them is the lower; bytes "
      "count every operand once. Hollow points are unstable measurements. Not measured here: other libraries "
      "(bench/peers has scripts for some).</p></body></html>\n";
  return out;
}

}  // namespace glmv::bench
