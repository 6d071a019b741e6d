// What a number depends on, said beside it; and when it may be held against a published one.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "eval/results.h"
#include "eval/template.h"

namespace glmv::eval {
namespace {

constexpr size_t kShownOfHash = 12;

std::string with_commas(int64_t n) {
  std::string out = std::to_string(n);
  for (size_t at = out.size(); at > 3;) out.insert(at -= 3, 1, ',');
  return out;
}

std::string short_hash(const std::string& hash) { return hash.substr(0, kShownOfHash); }

/// "glm45v: local, backend cpu, dtype f32, sampling greedy": whatever the record says of the model, hashes shortened.
std::string model_text(const Json& model) {
  std::string out = text_of(model.value("model", Json("recorded replies")));
  for (const auto& [key, value] : model.items()) {
    if (key == "model") continue;
    const std::string text = text_of(value);
    out += fmt::format(", {} {}", key, key.ends_with("sha256") ? short_hash(text) : text);
  }
  return out;
}

/// "2026-11-28T08:15:00Z by glmv 1.0 (commit 12ab34cd56ef)"
std::string by_whom(const Json& record) {
  return fmt::format("{} by glmv {}, commit {}", text_of(record.value("created", Json("at an unknown time"))),
                     text_of(record.value("version", Json("of an unknown version"))),
                     text_of(record.value("commit", Json("unknown"))));
}

std::string machine_text(const Json& record) {
  const Json host = record.value("host", Json::object());
  return fmt::format("{} {} {}, {} threads", text_of(host.value("system", Json("?"))),
                     text_of(host.value("release", Json(""))), text_of(host.value("machine", Json(""))),
                     text_of(record.value("threads", Json("?"))));
}

/// As open_run() keeps it; runs of earlier versions said only whether it is known to be right.
std::string hash_state(const Json& task) {
  if (task.contains("hash")) return text_of(task["hash"]);
  return task.value("hash_known", false) ? "matches" : "not known";
}

std::string data_text(const Json& task) {
  const std::string state = hash_state(task);
  std::string out = "data ";
  const Json files = task.value("files", Json::array()), hashes = task.value("files_sha256", Json::array());
  for (size_t i = 0; i < files.size() && i < hashes.size(); ++i)
    out += fmt::format("{}{} (sha256 {})", i == 0 ? "" : ", ",
                       std::filesystem::path(text_of(files[i])).filename().string(), short_hash(text_of(hashes[i])));
  return out + (state == "matches"   ? ", the manifest's hash"
                : state == "differs" ? ", NOT the manifest's hash (--any-hash)"
                                     : ", no hash to hold it against");
}

/// How many samples there should be: those of the files, or the manifest's number where the files have clearly fewer
/// and no hash says that they are whole. Some of these numbers are rounded, so a few are not held against the files.
int64_t whole_set(const TaskScore& s) {
  constexpr double kEnough = 0.99;
  const Json& record = s.task->record;
  const int64_t in_files = record.value("samples_in_files", static_cast<int64_t>(s.task->samples.size())),
                rows = in_files + record.value("left_out", int64_t{0}), all = s.task->manifest.samples.value_or(0);
  const bool are_all =
      hash_state(record) == "matches" || static_cast<double>(rows) >= kEnough * static_cast<double>(all);
  return are_all ? in_files : all;
}

}  // namespace

std::string model_name(const KeptRun& run) {
  return text_of(run.record.value("model", Json::object()).value("model", Json("recorded replies")));
}

std::vector<std::pair<std::string, std::string>> provenance(const KeptRun& run, const Scoring& scoring) {
  const Json& record = run.record;
  std::vector<std::pair<std::string, std::string>> out;
  out.emplace_back("model", model_text(record.value("model", Json::object())));
  if (record.contains("sampling")) out.emplace_back("sampling", text_of(record["sampling"]));
  out.emplace_back("asked", by_whom(record) + "; " + machine_text(record));
  out.emplace_back("command", text_of(record.value("command", Json("unknown"))));
  const Json further = record.value("further", Json::array());
  for (const Json& again : further)
    out.emplace_back("further", by_whom(again) + ": " + text_of(again.value("command", Json("unknown"))));
  out.emplace_back("repeats", text_of(record.value("repeat", Json(1))));
  out.emplace_back("scored", fmt::format("{} by glmv {}, commit {}; bootstrap seed {}, {} resamples", scoring.created,
                                         scoring.version, scoring.commit, scoring.seed, scoring.resamples));
  out.emplace_back("judge", scoring.judge);
  return out;
}

std::string task_provenance(const TaskScore& s) {
  const Json& record = s.task->record;
  return fmt::format("{} of {} samples; {}; prompt {}, thinking {}, at most {} new tokens",
                     with_commas(static_cast<int64_t>(s.task->samples.size())), with_commas(whole_set(s)),
                     data_text(record), text_of(record.value("prompt_style", Json("?"))),
                     record.value("thinking", true) ? "on" : "off", text_of(record.value("max_new_tokens", Json("?"))));
}

std::string reasons_text(const std::map<std::string, int64_t>& reasons) {
  constexpr size_t kMost = 5, kMostShown = 200;
  std::vector<std::pair<int64_t, std::string>> order;
  order.reserve(reasons.size());
  for (const auto& [reason, n] : reasons) order.emplace_back(-n, reason.empty() ? "no reason given" : reason);
  std::sort(order.begin(), order.end());
  std::string out;
  for (size_t i = 0; i < std::min(kMost, order.size()); ++i)
    out += fmt::format("{}{} x {}", out.empty() ? "" : "; ", -order[i].first, order[i].second.substr(0, kMostShown));
  if (order.size() > kMost) out += fmt::format("; and {} other reasons", order.size() - kMost);
  return out;
}

std::string why_no_gap(const TaskScore& s) {
  if (s.published == nullptr || s.rules.empty() || !s.rules[0].total.headline) return "";
  if (hash_state(s.task->record) == "differs") return "not the manifest's data (--any-hash)";
  const auto samples = static_cast<int64_t>(s.task->samples.size()), all = whole_set(s);
  if (samples < all) return fmt::format("{} of {} samples", with_commas(samples), with_commas(all));
  if (!s.reportable) return fmt::format("only {:.1f} % of the requests succeeded", 100 * s.success_rate);
  return "";
}

std::string gap_text(const TaskScore& s) {
  if (s.published == nullptr || s.rules.empty() || !s.rules[0].total.headline || !why_no_gap(s).empty()) return "";
  const RuleScore& first = s.rules[0];
  // Rounded first, so that no "-0.0" is printed.
  const double gap = std::round(10 * (*first.total.headline - *s.published->value)) / 10 + 0.0;
  if (!first.interval) return fmt::format("{:+.1f}", gap);
  return fmt::format("{:+.1f}, {}", gap, first.interval->holds(*s.published->value) ? "inside" : "outside");
}

}  // namespace glmv::eval
