#include "eval/score_run.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "eval/algorithms.h"
#include "eval/answer.h"
#include "eval/render.h"
#include "eval/template.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

std::string where_of(const KeptTask& task, const RuleSpec& rule, const KeptSample& sample) {
  return concat(task.manifest.id, " ", sample.id, ", rule ", rule.name);
}

/// Runs f(i) for all i, in as many threads; the first error is thrown again.
void for_each_index(size_t count, int threads, const std::function<void(size_t)>& f) {
  std::atomic<size_t> next{0};
  std::exception_ptr error;
  std::mutex mutex;
  const auto work = [&] {
    for (size_t i; (i = next++) < count;) {
      try {
        f(i);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!error) error = std::current_exception();
        next = count;
      }
    }
  };
  std::vector<std::thread> pool;
  for (int t = 1; t < threads; ++t) pool.emplace_back(work);
  work();
  for (std::thread& t : pool) t.join();
  if (error) std::rethrow_exception(error);
}

class RuleRun {
 public:
  RuleRun(const KeptRun& run, const KeptTask& task, const RuleSpec& rule, const std::vector<size_t>& answered,
          const ScoreOptions& options)
      : run_(run), task_(task), rule_(rule), answered_(answered), options_(options) {}

  std::vector<Verdict> verdicts(size_t repeat) const {
    std::vector<Verdict> out(answered_.size());
    for (size_t i = 0; i < answered_.size(); ++i) out[i] = judge_free(i, repeat);
    std::vector<size_t> open = open_ones(out);
    const bool can_ask = options_.judge != nullptr && options_.judge->exists();
    if (!can_ask && !options_.without_judge) return out;
    for_each_index(open.size(), can_ask ? options_.judge->concurrency() : 1,
                   [&](size_t k) { out[open[k]] = with_judge(open[k], repeat); });
    return out;
  }

 private:
  const KeptSample& sample(size_t i) const { return task_.samples[answered_[i]]; }

  RuleContext context() const {
    return {run_.judge_prompts, {}, false, [](const std::string& html) { return page_blocks(html); }};
  }

  Verdict judge_free(size_t i, size_t repeat) const {
    const KeptSample& s = sample(i);
    return apply_rule(rule_, s.values, s.responses[repeat]->text, context(), where_of(task_, rule_, s));
  }

  Verdict with_judge(size_t i, size_t repeat) const {
    const KeptSample& s = sample(i);
    RuleContext c = context();
    c.without_judge = options_.without_judge;
    if (options_.judge != nullptr && options_.judge->exists()) {
      const JudgeCase what{task_.manifest.id, s.id, rule_.name,
                           pictures_for_judge(run_.folder, task_.manifest.id, s.id)};
      c.ask = [this, what](const JudgePrompt& prompt, const std::string& text, int attempt) {
        return options_.judge->ask(what, prompt, text, attempt);
      };
    }
    return apply_rule(rule_, s.values, s.responses[repeat]->text, c, where_of(task_, rule_, s));
  }

  /// Those only a judge can decide. A group in which something is wrong already is wrong: nobody is asked about it.
  std::vector<size_t> open_ones(std::vector<Verdict>& all) const {
    std::set<std::string> lost;
    const bool grouped = rule_.aggregate["how"] == "all_of_group";
    const auto group = [&](const Verdict& v) { return text_of(resolve(rule_.aggregate["by"], v.values, rule_.name)); };
    if (grouped) {
      for (const Verdict& v : all)
        if (v.status == "scored" && v.score.value_or(0) != 1) lost.insert(group(v));
    }
    std::vector<size_t> open;
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].status != "needs_judge") continue;
      if (grouped && lost.count(group(all[i])) > 0) {
        all[i].status = "scored";
        all[i].score = 0;
        all[i].values["score"] = 0;
      } else {
        open.push_back(i);
      }
    }
    return open;
  }

  const KeptRun& run_;
  const KeptTask& task_;
  const RuleSpec& rule_;
  const std::vector<size_t>& answered_;
  const ScoreOptions& options_;
};

std::vector<const Verdict*> pick(const std::vector<Verdict>& all, const std::vector<size_t>& which) {
  std::vector<const Verdict*> out;
  out.reserve(which.size());
  for (const size_t i : which) out.push_back(&all[i]);
  return out;
}

/// Samples that hang together: by the manifest's cluster field, else by the group that is judged as one.
std::vector<std::vector<size_t>> clusters_of(const Manifest& m, const RuleScore& score) {
  const std::vector<Verdict>& all = score.verdicts[0];
  std::map<std::string, std::vector<size_t>> by_name;
  const bool grouped = score.rule->aggregate["how"] == "all_of_group";
  for (size_t i = 0; i < all.size(); ++i) {
    const Json by = !m.cluster.empty() ? Json("$" + m.cluster) : grouped ? score.rule->aggregate["by"] : Json();
    by_name[by.is_null() ? std::to_string(i) : text_of(resolve(by, all[i].values, m.id))].push_back(i);
  }
  std::vector<std::vector<size_t>> out;
  out.reserve(by_name.size());
  for (auto& [name, members] : by_name) out.push_back(std::move(members));
  return out;
}

bool is_plain_accuracy(const Manifest& m, const RuleScore& score) {
  if (!m.cluster.empty() || !is_plain_mean(score.rule->aggregate) || score.verdicts.size() > 1) return false;
  return std::all_of(score.verdicts[0].begin(), score.verdicts[0].end(), [](const Verdict& v) {
    const double s = v.score.value_or(0);
    return s == 0 || s == 1;
  });
}

void add_interval(const Manifest& m, const ScoreOptions& options, RuleScore& score) {
  if (is_plain_accuracy(m, score)) {
    const auto n = static_cast<int64_t>(score.verdicts[0].size());
    const int64_t right = std::count_if(score.verdicts[0].begin(), score.verdicts[0].end(),
                                        [](const Verdict& v) { return v.score.value_or(0) == 1; });
    const Interval share = wilson(right, n);
    score.interval = Interval{100 * share.low, 100 * share.high};
    score.interval_kind = "Wilson";
    return;
  }
  const auto clusters = clusters_of(m, score);
  const auto statistic = [&](const std::vector<size_t>& drawn) -> std::optional<double> {
    double sum = 0;
    for (const std::vector<Verdict>& repeat : score.verdicts) {
      try {
        const auto value = aggregate(score.rule->aggregate, pick(repeat, drawn), m.id).headline;
        if (!value) return std::nullopt;
        sum += *value;
      } catch (const Error&) {
        return std::nullopt;  // a resample in which a category is empty has no such mean
      }
    }
    return sum / static_cast<double>(score.verdicts.size());
  };
  score.interval = clustered_bootstrap(clusters, statistic, options.seed, options.resamples);
  if (score.interval) score.interval_kind = concat("bootstrap over ", clusters.size(), " clusters");
}

void count_verdicts(RuleScore& score) {
  for (const std::vector<Verdict>& repeat : score.verdicts) {
    for (const Verdict& v : repeat) {
      score.needs_judge += v.status == "needs_judge";
      score.needs_browser += v.status == "needs_browser";
      score.scored += v.status == "scored";
      score.no_answer += v.status == "scored" && (!v.score || text_of(v.values.value("reply", Json())).empty());
      score.judged += !v.judged.empty();
      for (const Json& call : v.judged) score.nonsense += !call["accepted"].get<bool>();
    }
  }
}

void add_categories(RuleScore& score) {
  std::map<std::string, std::pair<double, int64_t>> sums;
  for (const Verdict& v : score.verdicts[0]) {
    const std::string category = v.values.contains("category") ? text_of(v.values["category"]) : "";
    if (category.empty()) continue;
    sums[category].first += v.score.value_or(0);
    ++sums[category].second;
  }
  for (auto& [name, sum] : sums) sum.first *= 100 / static_cast<double>(sum.second);
  if (sums.size() > 1) score.categories = std::move(sums);
}

RuleScore score_rule(const KeptRun& run, const KeptTask& task, const RuleSpec& rule,
                     const std::vector<size_t>& answered, size_t repeats, const ScoreOptions& options) {
  RuleScore out;
  out.rule = &rule;
  const RuleRun rule_run(run, task, rule, answered, options);
  for (size_t r = 0; r < repeats; ++r) out.verdicts.push_back(rule_run.verdicts(r));
  count_verdicts(out);
  if (out.needs_judge + out.needs_browser > 0 || answered.empty()) return out;  // no number: it would be a guess
  std::vector<size_t> all(answered.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = i;
  double sum = 0;
  for (size_t r = 0; r < repeats; ++r) {
    const Aggregate one = aggregate(rule.aggregate, pick(out.verdicts[r], all), task.manifest.id);
    if (r == 0) out.total = one;
    if (!one.headline) return out;
    out.by_repeat.push_back(*one.headline);
    sum += *one.headline;
  }
  out.total.headline = sum / static_cast<double>(repeats);
  add_interval(task.manifest, options, out);
  add_categories(out);
  return out;
}

const Published* published_of(const KeptTask& task, const std::string& wanted) {
  const Manifest& m = task.manifest;
  const bool thinking = task.record.value("thinking", true);
  const std::string name = !wanted.empty() ? wanted : thinking ? "GLM-4.5V" : "GLM-4.5V-nonthinking";
  for (const Published& p : m.published) {
    if (p.model == name && p.value) return &p;
  }
  // A benchmark of our own has one row per mode under another name.
  for (const Published& p : m.published) {
    if (wanted.empty() && p.value && p.table == "twin") return &p;
  }
  return nullptr;
}

void count_responses(const KeptTask& task, size_t repeats, TaskScore& out) {
  for (size_t i = 0; i < task.samples.size(); ++i) {
    const KeptSample& s = task.samples[i];
    bool ok = true;
    for (size_t r = 0; r < repeats; ++r) {
      const Response* response = r < s.responses.size() ? s.responses[r] : nullptr;
      ok = ok && response != nullptr && response->status == "ok";
      if (response == nullptr) {
        ++out.missing;
        continue;
      }
      if (response->status != "ok") ++out.failed, ++out.reasons[response->error];
      out.truncated += response->finish_reason == "length";
      out.forced += response->forced;
      out.still_thinking += thinking_is_open(response->text);
    }
    if (ok) out.answered.push_back(i);
  }
}

}  // namespace

std::vector<TaskScore> score_run(const KeptRun& run, const ScoreOptions& options) {
  const auto repeats = static_cast<size_t>(run.record.value("repeat", 1));
  std::vector<TaskScore> out;
  for (const KeptTask& task : run.tasks) {
    TaskScore score;
    score.task = &task;
    count_responses(task, repeats, score);
    Json samples = Json::array();
    for (size_t i = 0; i < task.samples.size(); ++i)
      samples.push_back(
          {{"answered", std::binary_search(score.answered.begin(), score.answered.end(), i)}, {"correct", false}});
    const Json rate = run_algorithm("glm_failed_sample_rule", {{"samples", samples}});
    score.success_rate = rate.value("success_rate", 0.0);
    score.reportable = rate.value("reportable", false);
    for (const RuleSpec& rule : task.manifest.rules) {
      if (!options.rules.empty() && std::count(options.rules.begin(), options.rules.end(), rule.name) == 0) continue;
      score.rules.push_back(score_rule(run, task, rule, score.answered, repeats, options));
    }
    score.published = published_of(task, options.compare_to);
    out.push_back(std::move(score));
  }
  return out;
}

bool is_partial(const std::vector<TaskScore>& scores) {
  return std::any_of(scores.begin(), scores.end(), [](const TaskScore& s) {
    return s.failed + s.missing > 0 || s.rules.empty() || s.rules[0].needs_judge + s.rules[0].needs_browser > 0;
  });
}

}  // namespace glmv::eval
