// What an import prints.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "eval/import.h"
#include "eval/stats.h"
#include "eval/text.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using nlohmann::json;

std::string interval_text(const Tally& t) {
  const eval::Interval i = eval::wilson(t.right, t.n);
  return fmt::format("{:6.2f} % [{:.2f}, {:.2f}]", 100.0 * static_cast<double>(t.right) / static_cast<double>(t.n),
                     100 * i.low, 100 * i.high);
}

std::string line(const std::string& name, const Tally& t, size_t width) {
  std::string out = fmt::format("{:<{}} {:>5} / {:<5} {}", name, width, t.right, t.n, interval_text(t));
  if (t.drawn > 0) out += fmt::format("  {} drawn, {} of them right", t.drawn, t.drawn_right);
  return out + '\n';
}

/// Rows on which the rules do not all agree.
std::vector<size_t> disputed(const ImportReport& r) {
  std::vector<size_t> out;
  for (size_t i = 0; i < r.rows.size(); ++i) {
    const bool first = r.readings[0][i].right;
    if (std::any_of(r.readings.begin(), r.readings.end(), [&](const auto& rule) { return rule[i].right != first; }))
      out.push_back(i);
  }
  return out;
}

std::string shown(std::string_view text) {
  constexpr size_t kMost = 60;
  const bool cut = py::length(text) > kMost;
  std::string out = "\"";
  for (const char c : py::head(text, kMost)) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return out + (cut ? "...\"" : "\"");
}
std::string or_nothing(const std::optional<std::string>& text) { return text ? shown(*text) : "nothing"; }

std::string reading_text(const Reading& reading) {
  std::string out = or_nothing(reading.extracted);
  if (reading.normalized != reading.extracted) out += " -> " + or_nothing(reading.normalized);
  return out + (reading.drawn ? " (drawn)" : "") + (reading.right ? ": right" : ": wrong");
}

std::string disputed_text(const ImportReport& r, size_t i) {
  const StoredRow& row = r.rows[i];
  std::string out =
      fmt::format("{}  gold {}  response {}\n", row.id, shown(py::join(row.golds, " | ")), shown(row.response));
  for (size_t k = 0; k < r.rules.size(); ++k) {
    const Reading& reading = r.readings[k][i];
    const bool differs = reading.right != r.readings[0][i].right;
    out += fmt::format("  {:<11} {}{}\n", r.rules[k].name, reading_text(reading),
                       differs ? concat("  [", name_of(cause_of(r.readings[0][i], reading)), "]") : "");
  }
  return out;
}

struct Stored {
  int64_t verdicts = 0, same = 0, predictions = 0, same_predictions = 0;

  std::string predictions_text() const {
    return predictions > 0 ? fmt::format("; stored predictions: {} of {}", same_predictions, predictions) : "";
  }
};
/// The first rule against the verdicts and predictions that the files hold.
Stored against_stored(const ImportReport& r) {
  Stored s;
  // A layout stores predictions or does not; nothing is one that could not be brought into the form of the gold.
  const bool with_predictions =
      std::any_of(r.rows.begin(), r.rows.end(), [](const StoredRow& row) { return row.prediction.has_value(); });
  for (size_t i = 0; i < r.rows.size(); ++i) {
    const Reading& reading = r.readings[0][i];
    if (!r.rows[i].verdict) continue;
    ++s.verdicts;
    s.same += *r.rows[i].verdict == reading.right ? 1 : 0;
    if (!with_predictions) continue;
    ++s.predictions;
    s.same_predictions += r.rows[i].prediction == reading.normalized ? 1 : 0;
  }
  return s;
}

std::string causes_text(const ImportReport& r) {
  std::string out;
  for (size_t k = 1; k < r.rules.size(); ++k) {
    std::map<std::string, int> causes;
    int differing = 0;
    for (size_t i = 0; i < r.rows.size(); ++i) {
      if (r.readings[k][i].right == r.readings[0][i].right) continue;
      ++differing;
      ++causes[name_of(cause_of(r.readings[0][i], r.readings[k][i]))];
    }
    out += fmt::format("{} against {}, rows that differ: {}", r.rules[k].name, r.rules[0].name, differing);
    for (const auto& [cause, n] : causes) out += fmt::format("; {} by {}", n, cause);
    out += '\n';
  }
  return out;
}

json tally_json(const Tally& t) {
  const eval::Interval i = eval::wilson(t.right, t.n);
  return {{"right", t.right},
          {"n", t.n},
          {"accuracy", static_cast<double>(t.right) / static_cast<double>(t.n)},
          {"interval_95", {i.low, i.high}},
          {"drawn", t.drawn},
          {"drawn_right", t.drawn_right}};
}

json reading_json(const Reading& reading) {
  const auto text = [](const std::optional<std::string>& t) { return t ? json(*t) : json(nullptr); };
  return {{"right", reading.right},
          {"extracted", text(reading.extracted)},
          {"normalized", text(reading.normalized)},
          {"drawn", reading.drawn}};
}

}  // namespace

std::string import_text(const ImportReport& r, const std::string& key, bool attribute) {
  const std::vector<std::string> groups = groups_of(r, key);
  size_t width = 10;
  for (const std::string& name : groups) width = std::max(width, py::length(name));
  std::string out = fmt::format("{} responses, rule {}: {}\n\n", r.rows.size(), r.rules[0].name, r.rules[0].detail);
  for (const std::string& name : groups) out += line(name, tally(r, 0, key, name), width);
  out += line("total", tally(r, 0, "", ""), width) + "\n";
  for (size_t k = 0; k < r.rules.size(); ++k) out += line(r.rules[k].name, tally(r, k, "", ""), width);
  out += "\n" + causes_text(r);
  if (const Stored s = against_stored(r); s.verdicts > 0)
    out += fmt::format("stored verdicts: {} of {} rows as {} has them{}\n", s.same, s.verdicts, r.rules[0].name,
                       s.predictions_text());
  if (!attribute) return out;
  out += "\n";
  for (const size_t i : disputed(r)) out += disputed_text(r, i);
  return out;
}

json import_json(const ImportReport& r, const std::string& key, bool attribute) {
  json out = {{"layout", r.layout}, {"by", key}, {"rules", json::array()}};
  for (size_t k = 0; k < r.rules.size(); ++k) {
    json groups = json::object();
    for (const std::string& name : groups_of(r, key)) groups[name] = tally_json(tally(r, k, key, name));
    out["rules"].push_back({{"name", r.rules[k].name},
                            {"algorithms", r.rules[k].detail},
                            {"total", tally_json(tally(r, k, "", ""))},
                            {"groups", groups}});
  }
  if (const Stored s = against_stored(r); s.verdicts > 0)
    out["stored"] = {{"verdicts", s.verdicts}, {"same_verdicts", s.same}, {"same_predictions", s.same_predictions}};
  if (!attribute) return out;
  out["disputed"] = json::array();
  for (const size_t i : disputed(r)) {
    json row = {{"id", r.rows[i].id},
                {"golds", r.rows[i].golds},
                {"response", r.rows[i].response},
                {"readings", json::array()}};
    for (size_t k = 0; k < r.rules.size(); ++k) {
      json reading = reading_json(r.readings[k][i]);
      reading["rule"] = r.rules[k].name;
      if (r.readings[k][i].right != r.readings[0][i].right)
        reading["cause"] = name_of(cause_of(r.readings[0][i], r.readings[k][i]));
      row["readings"].push_back(std::move(reading));
    }
    out["disputed"].push_back(std::move(row));
  }
  return out;
}

}  // namespace glmv
