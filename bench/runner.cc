#include "bench/runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <set>

#include "bench/peaks.h"
#include "data/pattern.h"
#include "reference/core/error.h"
#include "reference/core/utc.h"

namespace glmv::bench {
namespace {

/// What people say for several ops, as a pattern on case names.
const std::map<std::string, std::string>& families() {
  static const std::map<std::string, std::string> known = {
      {"moe", "^moe_"},
      {"attn", "^attention/"},
      {"rope", "^(mrope|fused_rope_kv_write)/"},
      {"norm", "^(rmsnorm|layernorm|fused_add_rmsnorm)/"},
      {"fused", "^fused_"},
      {"vision", "vision"},
      {"decode", "decode|_T1_"},
      {"prefill", "prefill|chunk"},
  };
  return known;
}

std::string pattern_of(const std::string& word) {
  if (word.find('/') != std::string::npos) return word;
  const auto family = families().find(word);
  if (family != families().end()) return family->second;
  bool is_op = false;
  std::string names;
  OpTable().for_each([&](const char* name, const auto&) {
    is_op = is_op || word == name;
    names += concat(names.empty() ? "" : ", ", name);
  });
  if (is_op) return "^" + word + "/";
  for (const auto& [name, pattern] : families()) names += ", " + name;
  usage_error('"', word, "\": no op and no family of ops; there are ", names, ", or a part of a case's name with a /");
}

/// The tokens of the cases that a pattern finds, for who asked for others.
std::string others_of(const Pattern& pattern, const std::vector<Case>& from) {
  std::set<int64_t> tokens;
  for (const Case& c : from) {
    if (c.bench && pattern.found_in(c.name)) tokens.insert(c.tokens);
  }
  if (tokens.empty()) return "; glmv cases --list";
  std::string text = " these tokens, contexts and types; there are cases of";
  for (const int64_t n : tokens) text += concat(n == *tokens.begin() ? " " : ", ", n);
  return text + " tokens (glmv cases --list)";
}

bool among(int64_t n, const std::vector<int64_t>& list) {
  return list.empty() || std::find(list.begin(), list.end(), n) != list.end();
}

/// The paths of users' kernels, or "".
std::string libraries_of(const std::vector<Contender>& contenders) {
  std::string paths;
  for (const Contender& who : contenders) {
    if (who.kernel != nullptr) paths += concat(paths.empty() ? "" : " or ", who.kernel->path());
  }
  return paths;
}

/// Bytes the system would still hand out.
double free_memory() {
  std::ifstream in("/proc/meminfo");
  std::string key;
  for (double kib = 0; in >> key >> kib; in.ignore(64, '\n')) {
    if (key == "MemAvailable:") return 1024 * kib;
  }
  return 1e18;
}

}  // namespace

std::vector<const Case*> select_cases(const Selection& s, const std::vector<Case>& from) {
  std::vector<std::pair<std::string, Pattern>> wanted;
  std::vector<const Case*> found;
  for (const std::string& word : s.ops) {
    const auto exact = std::find_if(from.begin(), from.end(), [&](const Case& c) { return c.name == word; });
    if (exact != from.end()) {
      found.push_back(&*exact);
    } else {
      wanted.emplace_back(word, Pattern::compile(pattern_of(word), "ops"));
    }
  }
  const auto fits = [&](const Case& c) {
    return c.bench && among(c.tokens, s.tokens) && among(c.context, s.contexts) &&
           (s.dtype.empty() || s.dtype == name_of(c.dtype));
  };
  std::map<std::string, int64_t> hits;
  for (const Case& c : from) {
    if (!fits(c) || std::find(found.begin(), found.end(), &c) != found.end()) continue;
    bool matches = s.ops.empty();
    for (const auto& [word, pattern] : wanted) {
      if (!pattern.found_in(c.name)) continue;
      matches = true;
      ++hits[word];
    }
    if (matches) found.push_back(&c);
  }
  for (const auto& [word, pattern] : wanted) {
    if (hits[word] == 0) usage_error(word, ": no case worth timing matches", others_of(pattern, from));
  }
  if (found.empty()) usage_error("no case worth timing matches; glmv cases --list prints them all");
  return found;
}

std::vector<Row> check_small_cases(const std::vector<Case>& cases, const Contender& who, const Protocol& protocol) {
  std::vector<Row> rows;
  for (const Case& c : cases) {
    if (c.bench || !who.kernel->has(c.name.substr(0, c.name.find('/')))) continue;
    const LastWords words(who.kernel->path(), "in " + c.name);
    rows.push_back(CaseSession(c, {who}, protocol).row(0, {}));
  }
  return rows;
}

std::string drop_unaffordable(std::vector<const Case*>& cases, const std::vector<Ceilings>& ceilings,
                              double most_seconds) {
  constexpr double kTypicalShare = 0.5;  // of the roofline
  size_t slow = 0, large = 0;
  const double memory = free_memory() / 2;
  std::erase_if(cases, [&](const Case* c) {
    double seconds = 0;
    for (const Ceilings& x : ceilings)
      seconds = std::max(seconds, roofline({c->flops, c->bytes}, x.measured, c->dtype).seconds / kTypicalShare);
    const bool is_slow = seconds > most_seconds, is_large = 2 * c->bytes > memory;
    if (is_slow)
      ++slow;
    else if (is_large)
      ++large;
    return is_slow || is_large;
  });
  std::string said;
  if (slow > 0)
    said = fmt::format("{} cases are left out: a call would take longer than {} s (--max-seconds)", slow, most_seconds);
  if (large > 0)
    said += fmt::format("{}{} cases do not fit into half of the free memory", said.empty() ? "" : "; ", large);
  return said;
}

std::vector<Ceilings> measure_ceilings(const std::vector<Contender>& contenders, bool quick) {
  std::vector<Ceilings> list;
  std::map<std::string, Peaks> of_device;  // rungs of one device have one memory, and the best of their products
  for (const Contender& who : contenders) {
    const Backend& b = *who.backend;
    Ceilings c;
    c.backend = who.name();
    if (b.space != Space::host && b.describe != nullptr) c.facts = b.describe();
    c.device = b.space == Space::host ? this_machine().cpu : c.facts.name;
    Peaks& best = of_device[c.device];
    const bool known = std::any_of(list.begin(), list.end(), [&](const Ceilings& x) { return x.device == c.device; });
    if (!known || who.kernel == nullptr) {
      best = best_of(best, measure_peaks(b, {quick}));
    }
    c.sheet = datasheet(c.device);
    list.push_back(std::move(c));
  }
  for (Ceilings& c : list) c.measured = of_device[c.device];
  return list;
}

namespace {

/// By how much the larger is above the smaller; 0 if one was not measured.
double apart(double a, double b) { return a > 0 && b > 0 ? std::max(a, b) / std::min(a, b) - 1 : 0; }

}  // namespace

void take_best(const std::vector<Ceilings>& again, BenchResult& result) {
  constexpr double kMoved = 0.1;
  for (size_t i = 0; i < result.ceilings.size(); ++i) {
    Ceilings& c = result.ceilings[i];
    const Peaks before = c.measured, after = again[i].measured;
    const double moved =
        std::max({apart(before.bandwidth(), after.bandwidth()), apart(before.f32_flops_per_s, after.f32_flops_per_s),
                  apart(before.bf16_flops_per_s, after.bf16_flops_per_s)});
    c.measured = best_of(before, after);
    if (moved <= kMoved) continue;
    c.doubt = fmt::format(
        "the measured peaks were {:.0f} % apart before and after the run; the higher ones are taken, and may still be "
        "too "
        "low",
        100 * moved);
  }
  for (Row& r : result.rows) {
    if (const Ceilings* c = result.ceilings_of(r.backend)) r.measured = roofline(r.cost, c->measured, r.dtype);
  }
}

BenchResult run_bench(const std::vector<const Case*>& cases, const std::vector<Contender>& contenders,
                      const std::vector<Ceilings>& ceilings, const Protocol& protocol,
                      const std::function<void(size_t, size_t, const Case&)>& before) {
  if (cases.empty()) usage_error("no case is left to time: all take longer than --max-seconds, which --quick lowers");
  BenchResult result;
  result.created = now_utc();
  result.machine = this_machine();
  result.ceilings = ceilings;
  double load = 0;
  if (::getloadavg(&load, 1) == 1) result.load = load;
  for (size_t i = 0; i < cases.size(); ++i) {
    if (before) before(i, cases.size(), *cases[i]);
    const std::string libraries = libraries_of(contenders);
    std::optional<LastWords> words;
    if (!libraries.empty()) words.emplace(libraries, "in " + cases[i]->name);
    CaseSession session(*cases[i], contenders, protocol);
    for (Row& r : run_case_session(session, ceilings, protocol)) result.rows.push_back(std::move(r));
  }
  return result;
}

}  // namespace glmv::bench
