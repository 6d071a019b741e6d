#include "eval/run.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

#include "data/checkpoint.h"
#include "data/file.h"
#include "data/json_file.h"
#include "eval/render.h"
#include "eval/score_run.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;

constexpr uint64_t kMostRecordBytes = 64u << 20;
constexpr const char* kIdsHash = "sample_ids_sha256";

void write_text(const std::string& path, const std::string& text) {
  OutputFile file(path, Devices::refused);
  file.write(text.data(), text.size());
  file.commit();
}

std::string shard_name(const RunOptions& o) { return o.shards == 1 ? "" : fmt::format("{}-of-{}", o.shard, o.shards); }

std::string hash_of_ids(const std::vector<const Sample*>& samples) {
  std::string all;
  for (const Sample* s : samples) all += s->id + '\n';
  return sha256_hex(all.data(), all.size());
}

/// What must be the same for a run to be gone on with.
Json settings_of(const std::vector<Benchmark>& benchmarks, const ModelUnderTest& model, const RunOptions& o) {
  Json tasks = Json::array();
  for (const Benchmark& b : benchmarks) {
    const Frame& frame = frame_of(b.manifest, o.prompt_style);
    tasks.push_back({{"id", b.manifest.id},
                     {"manifest_sha256", b.manifest.sha256},
                     {"files", b.files},
                     {"files_sha256", b.hashes},
                     {"hash", b.hash},
                     {"samples", chosen_samples(b, o).size()},
                     {kIdsHash, hash_of_ids(chosen_samples(b, o))},
                     {"samples_in_files", b.samples.size()},
                     {"left_out", b.left_out},
                     {"prompt_style", frame.name},
                     {"thinking", ask_options(b.manifest, frame, o).thinking},
                     {"max_new_tokens", ask_options(b.manifest, frame, o).max_new_tokens}});
  }
  return {{"schema", "glmv.eval_run/1"},
          {"model", model.identity},
          {"forced_close", o.ask.forced_close},
          {"forced_tokens", o.ask.forced_tokens},
          {"image_tokens", o.ask.image_tokens},
          {"video_tokens", o.ask.video_tokens},
          {"frames_per_second", o.ask.frames_per_second},
          {"repeat", o.repeat},
          {"tasks", tasks}};
}

/// The first member of two objects that differs, as "thinking: true, now false"; "" if none does. What an earlier
/// version did not write down is not held against a run.
std::string first_difference(const Json& before, const Json& now) {
  for (const auto& [key, value] : now.items()) {
    const auto old = before.find(key);
    if (old == before.end() || *old == value || key == "tasks" || key == kIdsHash) continue;
    return concat(key, ": ", old->dump(), ", now ", value.dump());
  }
  const bool other = before.contains(kIdsHash) && now.contains(kIdsHash) && before[kIdsHash] != now[kIdsHash];
  return other ? "other samples" : "";
}

std::string names_of_tasks(const Json& tasks) {
  std::string out;
  for (const Json& task : tasks) out += concat(out.empty() ? "" : ",", task.value("id", "?"));
  return out;
}

/// As first_difference, with the tasks one by one: "mmstar, samples: 4, now 2".
std::string settings_difference(const Json& before, const Json& now) {
  if (std::string differs = first_difference(before, now); !differs.empty()) return differs;
  const Json tasks = before.value("tasks", Json::array());
  const std::string then = names_of_tasks(tasks), today = names_of_tasks(now["tasks"]);
  if (then != today) return concat("--tasks ", then, ", now ", today);
  for (size_t i = 0; i < tasks.size(); ++i) {
    const std::string differs = first_difference(tasks[i], now["tasks"][i]);
    if (!differs.empty()) return concat(tasks[i].value("id", ""), ", ", differs);
  }
  return "";
}

/// A run that is gone on with keeps when and how it was begun; later commands (--resume, other shards) are listed under
/// "further".
Json record_of(const Json& before, const Json& settings, const Json& now) {
  Json record = settings;
  record.update(now);
  if (before.is_null()) return record;
  Json further = before.value("further", Json::array());
  further.push_back(now);
  for (const auto& [key, value] : now.items()) {
    if (before.contains(key)) record[key] = before[key];
  }
  record["further"] = further;
  return record;
}

void keep_samples(const Benchmark& b, const RunOptions& o) {
  std::string lines;
  for (const Sample* s : chosen_samples(b, o)) lines += Json({{"id", s->id}, {"values", s->values}}).dump() + '\n';
  write_text(o.folder + "/samples-" + b.manifest.id + ".jsonl", lines);
}

/// One thing to ask.
struct Job {
  const Benchmark* benchmark;
  const Sample* sample;
  int64_t repeat;
};

std::vector<Job> jobs_of(const std::vector<Benchmark>& benchmarks, const RunOptions& o) {
  std::vector<Job> all;
  for (const Benchmark& b : benchmarks) {
    for (int64_t r = 0; r < o.repeat; ++r) {
      for (const Sample* s : chosen_samples(b, o)) all.push_back({&b, s, r});
    }
  }
  std::vector<Job> mine;
  for (size_t i = static_cast<size_t>(o.shard - 1); i < all.size(); i += static_cast<size_t>(o.shards))
    mine.push_back(all[i]);
  return mine;
}

class Asking {
 public:
  Asking(const ModelUnderTest& model, const RunOptions& options)
      : model_(model), options_(options), store_(options.folder, shard_name(options)) {}

  void ask(const Job& job) {
    const Manifest& m = job.benchmark->manifest;
    const Frame& frame = frame_of(m, options_.prompt_style);
    AskOptions how = ask_options(m, frame, options_);
    how.repeat = job.repeat;
    const Question question = question_of(m, frame, *job.sample);
    const Prepared prepared = prepare(job, question, how);
    if (store_.find(m.id, job.sample->id, job.repeat, prepared.key) != nullptr) {
      ++kept_;
      return;
    }
    Response r = prepared.ask();
    r.task = m.id;
    r.sample = job.sample->id;
    r.repeat = job.repeat;
    r.key = prepared.key;
    r.sent = prepared.sent;
    store_.add(r);
    ++asked_;
    if (r.status == "ok") return;
    ++failed_;
    const std::lock_guard<std::mutex> lock(mutex_);
    ++reasons_[r.error];
  }

  RunCounts counts() const {
    return {asked_, kept_, failed_, store_.stale(), store_.torn_bytes(), reasons_, false, store_.notes()};
  }
  int64_t done() const { return asked_ + kept_; }
  int64_t failed() const { return failed_; }

 private:
  /// What cannot be sent, such as a damaged picture, is a failed request: counted, and asked when it is mended.
  Prepared prepare(const Job& job, const Question& question, const AskOptions& how) const {
    try {
      return model_.prepare(job.benchmark->manifest.id, *job.sample, question, how);
    } catch (const Error& e) {
      if (e.code() != ExitCode::bad_input) throw;
      Response failed;
      failed.status = "failed";
      failed.error = e.what();
      const Json sent = {{"prompt", question_text(question)}, {"not_sent", e.what()}};
      return {key_of(sent), sent, [failed] { return failed; }};
    }
  }

  const ModelUnderTest& model_;
  const RunOptions& options_;
  ResponseStore store_;
  std::atomic<int64_t> asked_{0}, kept_{0}, failed_{0};
  std::map<std::string, int64_t> reasons_;
  std::mutex mutex_;
};

void say_progress(const RunOptions& o, const Asking& asking, size_t all) {
  if (o.progress) o.progress(fmt::format("{} of {} requests, {} failed", asking.done(), all, asking.failed()));
}

void indent(std::string& out, const std::string& text) {
  out += "    ";
  for (const char c : text) out += c == '\n' ? "\n    " : std::string(1, c);
  out += '\n';
}

}  // namespace

FileLock lock_run(const RunOptions& o) {
  const std::string shard = shard_name(o);
  return {concat(o.folder, "/.lock", shard.empty() ? "" : "-", shard),
          shard.empty() ? o.folder : concat(o.folder, ", shard ", shard)};
}

const Frame& frame_of(const Manifest& m, const std::string& style) {
  if (style.empty()) return m.frames[0];
  std::string names;
  for (const Frame& frame : m.frames) {
    if (frame.name == style) return frame;
    names += (names.empty() ? "" : ", ") + frame.name;
  }
  usage_error("--prompt-style ", style, ": ", m.id, " has ", names);
}

AskOptions ask_options(const Manifest& m, const Frame& frame, const RunOptions& o) {
  AskOptions how = o.ask;
  how.thinking = o.thinking.value_or(m.thinking.value_or(true));
  how.max_new_tokens = o.max_new_tokens > 0       ? o.max_new_tokens
                       : frame.max_new_tokens > 0 ? frame.max_new_tokens
                                                  : m.max_new_tokens;
  if (how.image_tokens < 0) how.image_tokens = m.image_tokens;
  if (how.video_tokens < 0) how.video_tokens = m.video_tokens;
  return how;
}

std::vector<const Sample*> chosen_samples(const Benchmark& b, const RunOptions& o) {
  const std::set<std::string> wanted(o.ids.begin(), o.ids.end());
  std::vector<const Sample*> out;
  for (const Sample& s : b.samples) {
    if (o.limit > 0 && static_cast<int64_t>(out.size()) == o.limit) break;
    if (wanted.empty() || wanted.count(s.id) > 0) out.push_back(&s);
  }
  if (out.empty()) usage_error(b.manifest.id, ": --ids names none of its samples");
  return out;
}

void begin_run(const std::vector<Benchmark>& benchmarks, const ModelUnderTest& model, const RunOptions& o) {
  fs::create_directories(o.folder + "/manifests");
  const Json settings = settings_of(benchmarks, model, o);
  const std::string path = o.folder + "/run.json";
  Json before;
  if (fs::exists(path)) {
    if (!o.resume && o.shards == 1) usage_error(o.folder, ": a run is there already; --resume goes on with it");
    before = parse_json_object(read_file(path, kMostRecordBytes), path);
    const std::string differs = settings_difference(before, settings);
    if (!differs.empty()) usage_error(o.folder, ": was begun with other settings (", differs, ')');
  }
  const std::string judges = read_file(o.manifests + "/judges.json");
  Json record = record_of(before, settings, o.record);
  record["judges_sha256"] = sha256_hex(judges.data(), judges.size());
  for (const Benchmark& b : benchmarks) {
    write_text(o.folder + "/manifests/" + b.manifest.id + ".json", read_file(b.manifest.path));
    keep_samples(b, o);
  }
  write_text(o.folder + "/manifests/judges.json", judges);
  write_text(path, record.dump(2) + '\n');
}

RunCounts ask_all(const std::vector<Benchmark>& benchmarks, const ModelUnderTest& model, const RunOptions& o) {
  const std::vector<Job> jobs = jobs_of(benchmarks, o);
  Asking asking(model, o);
  std::atomic<size_t> next{0};
  std::atomic<bool> stopped{false};
  std::exception_ptr error;
  std::mutex mutex;
  const auto work = [&] {
    for (size_t i; !stopped && (i = next++) < jobs.size();) {
      try {
        asking.ask(jobs[i]);
        const std::lock_guard<std::mutex> lock(mutex);
        say_progress(o, asking, jobs.size());
        if (o.stop && o.stop()) stopped = true;
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!error) error = std::current_exception();
        stopped = true;
      }
    }
  };
  std::vector<std::thread> pool;
  for (int t = 1; t < model.concurrency; ++t) pool.emplace_back(work);
  work();
  for (std::thread& t : pool) t.join();
  if (error) std::rethrow_exception(error);
  RunCounts counts = asking.counts();
  counts.stopped = stopped;
  return counts;
}

std::string plan_text(const std::vector<Benchmark>& benchmarks, const ModelUnderTest& model, const RunOptions& o) {
  int64_t requests = 0;
  std::string rows, prompts;
  for (const Benchmark& b : benchmarks) {
    const Frame& frame = frame_of(b.manifest, o.prompt_style);
    const auto chosen = chosen_samples(b, o);
    const int64_t count = static_cast<int64_t>(chosen.size()) * o.repeat;
    requests += count;
    rows += fmt::format(
        "| {} | {} of {} | {} | {} | {} | {} | {} | {} |\n", b.manifest.id, chosen.size(), b.samples.size(), o.repeat,
        count, frame.name, ask_options(b.manifest, frame, o).thinking ? "on" : "off",
        ask_options(b.manifest, frame, o).max_new_tokens, b.manifest.needs_judge ? b.manifest.judge_model : "no");
    for (size_t i = 0; i < std::min<size_t>(3, chosen.size()); ++i) {
      const Question question = question_of(b.manifest, frame, *chosen[i]);
      prompts += fmt::format("\n{} {} ({} media), gold {}\n\n", b.manifest.id, chosen[i]->id, question.media.size(),
                             chosen[i]->values.value("answer", Json()).dump());
      indent(prompts, question_text(question));
    }
  }
  return fmt::format(
      "{} requests to {}, shard {} of {}\n\n| task | samples | repeats | requests | prompt | thinking | new tokens | "
      "judge |\n|---|---|---|---|---|---|---|---|\n{}{}",
      requests, model.name, o.shard, o.shards, rows, prompts);
}

}  // namespace glmv::eval
