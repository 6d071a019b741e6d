// Models under test: a local one, an endpoint, or replies that were recorded elsewhere.
#pragma once

#include <functional>
#include <string>

#include "eval/benchmark.h"
#include "eval/store.h"

namespace glmv::eval {

/// How to ask, beside the question.
struct AskOptions {
  bool thinking = true;
  int64_t max_new_tokens = 8192;
  bool forced_close = true;      ///< close thinking that reached the limit, and let it go on
  int64_t forced_tokens = 1024;  ///< ... for so many tokens more
  int64_t image_tokens = 6144, video_tokens = 48000;
  double frames_per_second = 2;
  int64_t repeat = 0;
};

/// A question as it will be sent. `key` and `sent` are known before anything is computed or sent.
// NOLINTNEXTLINE(bugprone-exception-escape): moving JSON throws only where it is damaged already
struct Prepared {
  std::string key;
  Json sent;
  std::function<Response()>
      ask;  ///< never throws for what the model does; sets all but task, sample, repeat, key, sent
};

// NOLINTNEXTLINE(bugprone-exception-escape): moving JSON throws only where it is damaged already
struct ModelUnderTest {
  std::string name;
  Json identity;
  int concurrency = 1;
  std::function<Prepared(const std::string& task, const Sample& sample, const Question& question,
                         const AskOptions& options)>
      prepare;
  /// Looks at what will be asked before anything is: recorded replies that nobody will ask for are an Error (exit code
  /// 3). Empty: nothing to look at.
  std::function<void(const std::vector<Benchmark>& benchmarks)> check;
};

/// The key of what is sent: sha256 of its JSON.
std::string key_of(const Json& sent);

/// The text parts of a question, for the record; media as "<image>" and "<video>".
std::string question_text(const Question& question);

struct LocalOptions {
  std::string dir;
  const Backend* backend = nullptr;
  DType activation = DType::f32;
};
ModelUnderTest local_model(const LocalOptions& options);

/// JSON lines {"sample", "text"} with optional "task", "repeat", "finish_reason", "status", or a run's responses.jsonl.
/// What is not there is a failed request; replies to samples that do not exist are an error, unless their "task" is one
/// that is not asked about.
ModelUnderTest recorded_replies(const std::string& path);

}  // namespace glmv::eval
