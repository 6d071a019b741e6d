#include "eval/attribute.h"

#include <fmt/format.h>

#include "eval/aggregate.h"
#include "eval/template.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

/// One sample as a run answered and scored it.
struct Side {
  const KeptSample* sample = nullptr;
  const Response* response = nullptr;
  const Verdict* verdict = nullptr;
};

std::map<std::string, Side> sides_of(const TaskScore& score) {
  std::map<std::string, Side> out;
  for (const KeptSample& s : score.task->samples)
    out[s.id] = {&s, s.responses.empty() ? nullptr : s.responses[0], nullptr};
  if (score.rules.empty()) return out;
  for (size_t i = 0; i < score.answered.size(); ++i)
    out[score.task->samples[score.answered[i]].id].verdict = &score.rules[0].verdicts[0][i];
  return out;
}

std::string around(const std::string& text, size_t at) {
  constexpr size_t kBefore = 20, kAfter = 40;
  std::string part = text.substr(at > kBefore ? at - kBefore : 0, kBefore + kAfter);
  for (char& c : part) c = c == '\n' ? ' ' : c;
  return part;
}

std::string text_difference(const std::string& a, const std::string& b) {
  size_t at = 0;
  while (at < a.size() && at < b.size() && a[at] == b[at]) ++at;
  return fmt::format("at byte {}: \"{}\" / \"{}\"", at, around(a, at), around(b, at));
}

/// What was sent differently; "" if nothing that a model sees did. Another model, and where files lie, are not input.
std::string input_difference(const Json& a, const Json& b) {
  const auto text = [](const Json& sent) { return sent.value("prompt", std::string()); };
  if (text(a) != text(b)) return "prompt differs " + text_difference(text(a), text(b));
  const std::pair<const char*, const char*> kPlaces[] = {{"picture_sha256", "picture bytes"},
                                                         {"pixel_sha256", "pixels"},
                                                         {"video_pixel_sha256", "pixels of the clip"},
                                                         {"prompt_token_ids_sha256", "token ids"},
                                                         {"thinking", "thinking"}};
  for (const auto& [key, what] : kPlaces) {
    if (a.contains(key) && b.contains(key) && a[key] != b[key]) return fmt::format("{} differ", what);
  }
  return "";
}

std::string truncation_difference(const Response& a, const Response& b) {
  if (a.forced != b.forced) return fmt::format("thinking closed by force in the {} run", a.forced ? "first" : "second");
  const bool cut_a = a.finish_reason == "length", cut_b = b.finish_reason == "length";
  if (cut_a == cut_b) return "";
  const auto limit = [](const Response& r) { return r.sent.value("max_new_tokens", Json()).dump(); };
  return fmt::format("cut at the limit in the {} run (limits {} / {})", cut_a ? "first" : "second", limit(a), limit(b));
}

std::string judge_replies(const Verdict& v) {
  std::string out;
  for (const Json& call : v.judged) out += (out.empty() ? "" : ", ") + call["replies"].dump();
  return out.empty() ? "none" : out;
}

/// The first step whose outcome differs.
std::string step_difference(const Verdict& a, const Verdict& b) {
  for (const auto& [name, value] : a.values.items()) {
    if (name == "response" || name == "score") continue;
    const Json other = b.values.value(name, Json());
    if (other != value) return fmt::format("{}: {} / {}", name, around(text_of(value), 0), around(text_of(other), 0));
  }
  return "the rules differ";
}

Difference explain(const std::string& id, const Side& a, const Side& b) {
  Difference d{id, Cause::missing, "", a.verdict ? a.verdict->score.value_or(0) : 0,
               b.verdict ? b.verdict->score.value_or(0) : 0};
  if (a.verdict == nullptr || b.verdict == nullptr) {
    d.detail = fmt::format("no answer in the {} run", a.verdict == nullptr ? "first" : "second");
    return d;
  }
  d.cause = Cause::input;
  if (!(d.detail = input_difference(a.response->sent, b.response->sent)).empty()) return d;
  d.cause = Cause::truncation;
  if (!(d.detail = truncation_difference(*a.response, *b.response)).empty()) return d;
  d.cause = Cause::text;
  if (a.response->text != b.response->text) {
    d.detail = "response differs " + text_difference(a.response->text, b.response->text);
    return d;
  }
  d.cause = Cause::judge;
  if (a.verdict->judged != b.verdict->judged) {
    d.detail = fmt::format("judge: {} / {}", judge_replies(*a.verdict), judge_replies(*b.verdict));
    return d;
  }
  d.cause = Cause::extraction;
  d.detail = step_difference(*a.verdict, *b.verdict);
  return d;
}

void count(TaskComparison& out, const Difference& d) {
  if (d.cause == Cause::missing) return;
  ++out.disagree;
  (d.first > d.second ? out.first_better : out.second_better) += 1;
  if (d.cause == Cause::text) (d.first > d.second ? out.rest_first_better : out.rest_second_better) += 1;
}

/// The headline over some of a run's answered samples; nothing where it cannot be formed.
std::optional<double> headline_over(const TaskScore& score, const std::vector<const Verdict*>& verdicts) {
  if (score.rules.empty() || verdicts.empty()) return std::nullopt;
  if (!score.rules[0].total.headline) return std::nullopt;  // it needs a judge, or a browser
  try {
    return aggregate(score.rules[0].rule->aggregate, verdicts, score.task->manifest.id).headline;
  } catch (const Error&) {
    return std::nullopt;  // a category that is empty among these samples has no mean
  }
}

TaskComparison compare_task(const TaskScore& first, const TaskScore& second) {
  TaskComparison out;
  out.task = first.task->manifest.id;
  if (!first.rules.empty()) out.first = first.rules[0].total.headline;
  if (!second.rules.empty()) out.second = second.rules[0].total.headline;
  out.first_answered = static_cast<int64_t>(first.answered.size());
  out.second_answered = static_cast<int64_t>(second.answered.size());
  const std::map<std::string, Side> a = sides_of(first), b = sides_of(second);
  std::vector<const Verdict*> first_verdicts, second_verdicts;
  for (const auto& [id, side] : b) out.only_in_second += a.count(id) == 0;
  for (const auto& [id, side] : a) {
    const auto other = b.find(id);
    if (other == b.end()) {
      ++out.only_in_first;
      continue;
    }
    ++out.common;
    const bool in_first = side.verdict != nullptr, in_second = other->second.verdict != nullptr,
               both = in_first && in_second;
    out.unanswered_in_first += !in_first && in_second;
    out.unanswered_in_second += in_first && !in_second;
    out.unanswered_in_both += !in_first && !in_second;
    if (!in_first && !in_second) continue;
    if (both) first_verdicts.push_back(side.verdict), second_verdicts.push_back(other->second.verdict);
    if (both && side.verdict->score.value_or(0) == other->second.verdict->score.value_or(0) &&
        side.verdict->status == other->second.verdict->status)
      continue;
    out.differences.push_back(explain(id, side, other->second));
    count(out, out.differences.back());
  }
  out.both_answered = static_cast<int64_t>(first_verdicts.size());
  out.first_of_both = headline_over(first, first_verdicts);
  out.second_of_both = headline_over(second, second_verdicts);
  out.p = mcnemar(out.first_better, out.second_better);
  out.rest_p = mcnemar(out.rest_first_better, out.rest_second_better);
  return out;
}

std::string headline(const std::optional<double>& x) { return x ? fmt::format("{:.1f}", *x) : "no number"; }

std::string headline_lines(const TaskComparison& c) {
  std::string out = fmt::format("{}: {} of {} answered vs {} of {} answered; {} samples in both, {} answered in both",
                                c.task, headline(c.first), c.first_answered, headline(c.second), c.second_answered,
                                c.common, c.both_answered);
  if (c.both_answered != c.first_answered || c.both_answered != c.second_answered)
    out += fmt::format(": {} vs {} on those", headline(c.first_of_both), headline(c.second_of_both));
  out +=
      fmt::format("\n  of those {} disagree ({} right only in the first, {} only in the second), McNemar p = {:.3g}\n",
                  c.disagree, c.first_better, c.second_better, c.p);
  if (c.unanswered_in_first + c.unanswered_in_second + c.unanswered_in_both > 0)
    out += fmt::format("  without an answer: {} only in the first run, {} only in the second, {} in both\n",
                       c.unanswered_in_first, c.unanswered_in_second, c.unanswered_in_both);
  return out;
}

}  // namespace

const char* name_of(Cause cause) {
  switch (cause) {
    case Cause::missing: return "no answer";
    case Cause::input: return "input";
    case Cause::truncation: return "truncation";
    case Cause::text: return "text";
    case Cause::extraction: return "extraction";
    case Cause::judge: return "judge";
  }
  return "";
}

std::vector<TaskComparison> compare_runs(const KeptRun& first, const std::vector<TaskScore>& first_scores,
                                         const KeptRun& second, const std::vector<TaskScore>& second_scores) {
  std::vector<TaskComparison> out;
  for (const TaskScore& a : first_scores) {
    for (const TaskScore& b : second_scores) {
      if (a.task->manifest.id == b.task->manifest.id) out.push_back(compare_task(a, b));
    }
  }
  if (out.empty()) input_error(first.folder, " and ", second.folder, " have no task in common");
  return out;
}

std::string comparison_text(const std::vector<TaskComparison>& all, bool attribute) {
  std::string out;
  for (const TaskComparison& c : all) {
    out += headline_lines(c);
    if (c.only_in_first + c.only_in_second > 0)
      out +=
          fmt::format("  {} samples only in the first run, {} only in the second\n", c.only_in_first, c.only_in_second);
    if (!attribute) continue;
    std::map<Cause, std::vector<const Difference*>> by_cause;
    for (const Difference& d : c.differences) by_cause[d.cause].push_back(&d);
    for (const auto& [cause, differences] : by_cause) {
      out += fmt::format("  {:<12}{}\n", name_of(cause), differences.size());
      for (const Difference* d : differences)
        out += cause == Cause::missing
                   ? fmt::format("    {} {}\n", d->sample, d->detail)
                   : fmt::format("    {} ({:.3g} / {:.3g}) {}\n", d->sample, d->first, d->second, d->detail);
    }
    out += fmt::format(
        "  what only the responses explain: {} right only in the first, {} only in the second, McNemar p = {:.3g}\n",
        c.rest_first_better, c.rest_second_better, c.rest_p);
  }
  return out;
}

Json comparison_json(const std::vector<TaskComparison>& all) {
  Json out = {{"schema", "glmv.eval_comparison/1"}, {"tasks", Json::array()}};
  for (const TaskComparison& c : all) {
    Json differences = Json::array();
    for (const Difference& d : c.differences)
      differences.push_back({{"sample", d.sample},
                             {"cause", name_of(d.cause)},
                             {"detail", d.detail},
                             {"first", d.first},
                             {"second", d.second}});
    out["tasks"].push_back({{"task", c.task},
                            {"first", c.first ? Json(*c.first) : Json()},
                            {"second", c.second ? Json(*c.second) : Json()},
                            {"common", c.common},
                            {"both_answered", c.both_answered},
                            {"first_of_both", c.first_of_both ? Json(*c.first_of_both) : Json()},
                            {"second_of_both", c.second_of_both ? Json(*c.second_of_both) : Json()},
                            {"unanswered_in_first", c.unanswered_in_first},
                            {"unanswered_in_second", c.unanswered_in_second},
                            {"unanswered_in_both", c.unanswered_in_both},
                            {"disagree", c.disagree},
                            {"only_in_first", c.only_in_first},
                            {"only_in_second", c.only_in_second},
                            {"first_better", c.first_better},
                            {"second_better", c.second_better},
                            {"mcnemar_p", c.p},
                            {"rest_mcnemar_p", c.rest_p},
                            {"differences", differences}});
  }
  return out;
}

}  // namespace glmv::eval
