// Asking: every sample of every task, each answer on the disk before the next is counted.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "eval/benchmark.h"
#include "eval/model.h"

namespace glmv::eval {

struct RunOptions {
  std::string folder;     ///< of the run
  std::string manifests;  ///< folder they come from
  AskOptions ask;
  std::optional<bool> thinking;  ///< nothing: as each manifest says, else on
  std::string prompt_style;      ///< a frame's name; "" = each manifest's first
  int64_t max_new_tokens = 0;    ///< 0 = each manifest's
  int64_t limit = 0;             ///< samples of each task; 0 = all
  std::vector<std::string> ids;  ///< only these samples; empty = all
  int64_t shard = 1, shards = 1;
  int64_t repeat = 1;
  bool resume = false;
  Json record = Json::object();  ///< what run.json says beside what is said here: when, by which command, where
  std::function<void(const std::string&)> progress;
  std::function<bool()> stop;  ///< a signal asked to stop
};

struct RunCounts {
  int64_t asked = 0, kept = 0, failed = 0, stale = 0, torn_bytes = 0;
  std::map<std::string, int64_t> reasons;  ///< why requests failed, and how often
  bool stopped = false;
  std::vector<std::string> notes;  ///< lines of earlier responses that were passed over
};

/// The samples that the options choose, in the data set's order.
std::vector<const Sample*> chosen_samples(const Benchmark& benchmark, const RunOptions& options);

/// The frame that will be used. Error (exit code 2) for a style the manifest does not have.
const Frame& frame_of(const Manifest& manifest, const std::string& style);

/// What each task's requests will be limited to.
AskOptions ask_options(const Manifest& manifest, const Frame& frame, const RunOptions& options);

/// Writes the prompt of each task's first sample and applies every rule to it. Error (exit code 3) names the manifest.
void rehearse(const std::vector<Benchmark>& benchmarks, const RunOptions& options);

/// Keeps other processes out of the folder, or out of this shard of it, as long as it lives. Error (exit code 2): one
/// is there.
FileLock lock_run(const RunOptions& options);

/// Writes run.json, manifests and samples into the folder, or checks that a run to resume is this one.
/// Error (exit code 2): a run is there and resume is not set, or it was begun with other settings (names the first).
void begin_run(const std::vector<Benchmark>& benchmarks, const ModelUnderTest& model, const RunOptions& options);

/// Asks what has no answer yet. Error (exit code 3) if an answer cannot be stored: nothing more is asked then.
RunCounts ask_all(const std::vector<Benchmark>& benchmarks, const ModelUnderTest& model, const RunOptions& options);

/// Plan, prompts and number of requests, as Markdown; asks nobody.
std::string plan_text(const std::vector<Benchmark>& benchmarks, const ModelUnderTest& model, const RunOptions& options);

}  // namespace glmv::eval
