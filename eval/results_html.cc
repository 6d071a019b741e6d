#include <fmt/format.h>

#include <algorithm>

#include "eval/bytes.h"
#include "eval/results.h"
#include "eval/template.h"
#include "eval/thumbnail.h"

namespace glmv::eval {
namespace {

constexpr size_t kMostWorst = 12;    // samples shown of each task
constexpr size_t kMostShown = 1500;  // characters of a prompt or response

constexpr const char* kStyle =
    R"(body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:75em;padding:0 1em;color:#1a1a1a;background:#fff}
h1,h2,p,li,td{overflow-wrap:anywhere}h2{margin-top:2em}
.wide{overflow-x:auto}.wide td,.wide th{white-space:nowrap}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .9em .25em 0;text-align:left;border-bottom:1px solid #ddd;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}.in{color:#06672b}.out{color:#9a3412}.dim{color:#666}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em;font-size:13px}dt{color:#666}dd{margin:0;overflow-wrap:anywhere;min-width:0}
figure{display:grid;grid-template-columns:132px minmax(0,1fr);gap:1em;margin:0 0 1.2em;padding:0 0 1.2em;border-bottom:1px solid #ddd}
.media{display:flex;flex-wrap:wrap;gap:4px;align-content:start}
img{max-width:128px;max-height:128px;border:1px solid #ccc;image-rendering:pixelated}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f5f5f4;padding:.5em;margin:.3em 0;max-height:14em;overflow:auto}
svg text{font:12px system-ui,sans-serif}
@media(max-width:600px){body{margin:1em auto}figure{grid-template-columns:minmax(0,1fr)}dl{grid-template-columns:minmax(0,1fr)}dd{margin:0 0 .4em}}
)";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text)
    out += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  return out;
}

/// Cut between characters.
std::string shortened(const std::string& text) {
  if (text.size() <= kMostShown) return text;
  size_t end = kMostShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + " ...";
}

std::string task_rows(const TaskScore& s) {
  std::string out;
  for (size_t i = 0; i < s.rules.size(); ++i) {
    const std::string why = i == 0 ? why_no_gap(s) : "", gap = i > 0 ? "" : why.empty() ? gap_text(s) : "none: " + why;
    const char* colour = !why.empty()                               ? "dim"
                         : gap.find("inside") != std::string::npos  ? "in"
                         : gap.find("outside") != std::string::npos ? "out"
                                                                    : "";
    out += fmt::format(
        "<tr><td>{}<td class=n>{}<td title=\"{}\">{}<td class=n>{}<td class=n>{}<td class=\"n {}\">{}<td "
        "class=dim>{}\n",
        i == 0 ? fmt::format("<a href=\"#{0}\">{0}</a>", escaped(s.task->manifest.id)) : "",
        i == 0 ? std::to_string(s.answered.size()) : "", escaped(s.rules[i].rule->what), escaped(s.rules[i].rule->name),
        score_text(s.rules[i]),
        i == 0 && s.published != nullptr ? fmt::format("{:.1f}{}", *s.published->value, s.published->mark) : "", colour,
        gap, i == 0 && s.published != nullptr ? escaped(s.published->model) : "");
  }
  return out;
}

/// Bars drawn here, so that the page needs nothing from elsewhere.
std::string bars(const RuleScore& rule) {
  if (rule.categories.empty()) return "";
  constexpr int kRow = 20, kLeft = 220, kWidth = 400;
  std::string out = fmt::format("<div class=wide><svg role=img aria-label=\"Score per category\" width={} height={}>\n",
                                kLeft + kWidth + 90, kRow * rule.categories.size() + 4);
  int y = 0;
  for (const auto& [name, value] : rule.categories) {
    out += fmt::format(
        "<text x={} y={} text-anchor=end>{}</text><rect x={} y={} width={:.1f} height={} fill=#3b6ea5 />"
        "<text x={:.1f} y={}>{:.1f} <tspan fill=#666>of {}</tspan></text>\n",
        kLeft - 8, y + 14, escaped(name), kLeft, y + 3, kWidth * value.first / 100, kRow - 6,
        kLeft + kWidth * value.first / 100 + 6, y + 14, value.first, value.second);
    y += kRow;
  }
  return out + "</svg></div>\n";
}

std::string counts_text(const TaskScore& s) {
  std::string out = fmt::format(
      "Thinking {}. {} of {} samples answered; {} requests failed, {} missing; {} cut at the limit, {} of them closed "
      "by force; {} still thinking. ",
      s.task->record.value("thinking", true) ? "on" : "off", s.answered.size(), s.task->samples.size(), s.failed,
      s.missing, s.truncated, s.forced, s.still_thinking);
  const RuleScore& first = s.rules[0];
  out +=
      fmt::format("Rule {}: {} without an answer that it can read, {} asked of the judge, {} judge replies not usable.",
                  first.rule->name, first.no_answer, first.judged, first.nonsense);
  return s.reasons.empty() ? out : out + " Failed: " + reasons_text(s.reasons) + ".";
}

std::string verdicts_text(const TaskScore& s, size_t answered) {
  std::string out;
  for (const RuleScore& rule : s.rules) {
    const Verdict& v = rule.verdicts[0][answered];
    out += fmt::format("{}<b>{}</b>: {}", out.empty() ? "" : " · ", escaped(rule.rule->name),
                       v.status != "scored" ? escaped(v.status)
                       : v.score            ? fmt::format("{:.3g}", *v.score)
                                            : "no answer");
  }
  return out;
}

/// A text of the sample, or "(nothing)".
std::string shown(const std::string& text) {
  return text.empty() ? "<span class=dim>(nothing)</span>" : escaped(shortened(text));
}

std::string pictures(const std::vector<std::string>& pngs) {
  std::string out = "<div class=media>";
  for (size_t i = 0; i < pngs.size(); ++i)
    out += fmt::format("<img alt=\"picture {}\" src=\"data:image/png;base64,{}\">", i + 1, base64_encode(pngs[i]));
  if (pngs.size() == kMostPictures) out += fmt::format("<span class=dim>the first {}</span>", kMostPictures);
  return out + "</div>";
}

std::string sample_figure(const TaskScore& s, size_t answered, const std::vector<std::string>& pngs) {
  const KeptSample& sample = s.task->samples[s.answered[answered]];
  const Response& r = *sample.responses[0];
  const Verdict& v = s.rules[0].verdicts[0][answered];
  return fmt::format(
      "<figure>{}<figcaption><b>{}</b> <span class=dim>{}</span><pre>{}</pre>response<pre>{}</pre>looked at: "
      "<b>{}</b>, right: <b>{}</b><br>{}</figcaption></figure>\n",
      pictures(pngs), escaped(sample.id), escaped(text_of(sample.values.value("category", Json()))),
      shown(r.sent.value("prompt", "")), shown(r.text), shown(text_of(v.values.value("reply", Json()))),
      shown(text_of(sample.values.value("answer", Json()))), verdicts_text(s, answered));
}

/// Indices of the samples with the lowest scores, those on which rules disagree first among equals.
std::vector<size_t> worst(const TaskScore& s) {
  const std::vector<Verdict>& first = s.rules[0].verdicts[0];
  std::vector<std::pair<double, size_t>> order;
  for (size_t i = 0; i < first.size(); ++i) {
    const double score = first[i].score.value_or(0);
    if (first[i].status == "scored" && score >= 1) continue;
    double best = 0;
    for (const RuleScore& rule : s.rules) best = std::max(best, rule.verdicts[0][i].score.value_or(0));
    order.push_back({score - best / 2, i});
  }
  std::sort(order.begin(), order.end());
  std::vector<size_t> out;
  for (size_t i = 0; i < std::min(order.size(), kMostWorst); ++i) out.push_back(order[i].second);
  return out;
}

std::string task_section(const TaskScore& s, const Thumbnails& thumbnails) {
  const Manifest& m = s.task->manifest;
  std::string out =
      fmt::format("<h2 id=\"{}\">{}</h2>\n<p>{}</p>\n<p class=dim>{}.</p>\n<p class=dim>{}</p>\n", escaped(m.id),
                  escaped(m.name), escaped(m.what), escaped(task_provenance(s)), escaped(counts_text(s)));
  out += bars(s.rules[0]);
  const std::vector<size_t> shown = worst(s);
  if (!shown.empty()) out += "<h3>Samples that are not right</h3>\n";
  for (const size_t i : shown)
    out += sample_figure(s, i,
                         thumbnails ? thumbnails(m.id, s.task->samples[s.answered[i]].id) : std::vector<std::string>());
  if (!m.open_questions.empty()) {
    out += "<h3>What the report leaves open</h3><ul>\n";
    for (const std::string& q : m.open_questions) out += "<li>" + escaped(q) + "\n";
    out += "</ul>\n";
  }
  return out;
}

}  // namespace

std::string results_html(const KeptRun& run, const std::vector<TaskScore>& scores, const Scoring& scoring,
                         const Thumbnails& thumbnails) {
  const std::string model = escaped(model_name(run));
  std::string out = fmt::format(
      "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>glmv "
      "eval: {0}</title>\n<style>{1}</style>\n<h1>{0}</h1>\n<dl>\n",
      model, kStyle);
  for (const auto& [name, value] : provenance(run, scoring))
    out += fmt::format("<dt>{}<dd>{}\n", escaped(name), escaped(value));
  out += "</dl>\n<div class=wide><table><tr><th>task<th>answered<th>rule<th>score [95 %]<th>published<th>gap<th>of\n";
  for (const TaskScore& s : scores) out += task_rows(s);
  out +=
      "</table></div>\n<p class=dim>The first rule of a task gives the headline; the others score the same "
      "responses.</p>\n";
  for (const TaskScore& s : scores) {
    if (!s.rules.empty()) out += task_section(s, thumbnails);
  }
  return out + "</html>\n";
}

}  // namespace glmv::eval
