#include "eval/judge.h"

#include "data/checkpoint.h"
#include "eval/strict.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

std::string by_prompt(const std::string& hash, int64_t attempt) { return concat(hash, '\n', attempt); }
/// `rule` is "" in a line that holds for every rule.
std::string by_case(const std::string& task, const std::string& sample, const std::string& rule,
                    const std::string& prompt, int64_t attempt) {
  return concat(task, '\n', sample, '\n', rule, '\n', prompt, '\n', attempt);
}

/// What was shown: the text and the pictures. Prompts with pictures read alike for every sample, so where the pictures
/// are not at hand (recorded replies) the sample stands for them.
std::string hash_of_prompt(const JudgeCase& what, const JudgePrompt& prompt, const std::string& text) {
  std::string all = text;
  for (const std::string& picture : what.pictures) all += '\n' + sha256_hex(picture.data(), picture.size());
  if (prompt.pictures && what.pictures.empty()) all += concat('\n', what.task, '\n', what.sample);
  return sha256_hex(all.data(), all.size());
}

struct JudgeLine {
  std::string judge, reply, key;
};

JudgeLine read_line(const Json& line, const std::string& where) {
  StrictObject object({line, where + ':'});
  JudgeLine out;
  out.judge = object.text_or("judge", "");
  out.reply = object.text("reply");
  const int64_t attempt = object.integer_or("attempt", 0);
  const std::string hash = object.text_or("prompt_sha256", ""), task = object.text_or("task", ""),
                    sample = object.text_or("sample", ""), prompt = object.text_or("judge_prompt", ""),
                    rule = object.text_or("rule", "");
  object.find("prompt");  // kept for readers
  object.finish();
  if (hash.empty() && (task.empty() || sample.empty() || prompt.empty()))
    input_error(where, ": prompt_sha256, or task, sample and judge_prompt are wanted");
  out.key = hash.empty() ? by_case(task, sample, rule, prompt, attempt) : by_prompt(hash, attempt);
  return out;
}

}  // namespace

Judge Judge::recorded(const std::string& path) {
  Judge out;
  out.name_ = "";
  int64_t number = 0;
  for (const Json& line : read_json_lines(path)) {
    const JudgeLine one = read_line(line, concat(path, " line ", ++number));
    if (out.name_.empty()) out.name_ = one.judge;
    out.recorded_[one.key] = one.reply;
  }
  if (out.recorded_.empty()) input_error(path, ": no replies of a judge in it");
  if (out.name_.empty()) out.name_ = "recorded in " + path;
  return out;
}

Judge Judge::endpoint(const EndpointOptions& options) {
  Judge out;
  out.name_ = options.model;
  out.endpoint_ = std::make_shared<EndpointOptions>(options);
  return out;
}

void Judge::keep_in(const std::string& path) {
  int64_t number = 0;
  for (const Json& line : read_json_lines(path)) {
    const JudgeLine one = read_line(line, concat(path, " line ", ++number));
    if (one.judge == name_) kept_->replies[one.key] = one.reply;
  }
  kept_->lines = JsonLines::open(path);
}

std::optional<std::string> Judge::ask(const JudgeCase& what, const JudgePrompt& prompt, const std::string& text,
                                      int attempt) {
  const std::string hash = hash_of_prompt(what, prompt, text), key = by_prompt(hash, attempt);
  {
    const std::lock_guard<std::mutex> lock(kept_->mutex);
    if (const auto found = kept_->replies.find(key); found != kept_->replies.end()) return found->second;
  }
  std::optional<std::string> reply;
  std::string failure;
  if (endpoint_ && prompt.pictures && what.pictures.empty()) return std::nullopt;  // it would rate nothing
  if (endpoint_) {
    const JudgeReply answer = ask_endpoint(*endpoint_, text, what.pictures, prompt.max_new_tokens);
    if (answer.ok) reply = answer.text;
    failure = answer.error;
  } else {
    for (const std::string& place : {by_case(what.task, what.sample, "", prompt.name, attempt),
                                     by_case(what.task, what.sample, what.rule, prompt.name, attempt), key}) {
      if (const auto found = recorded_.find(place); found != recorded_.end()) reply = found->second;
    }
  }
  const std::lock_guard<std::mutex> lock(kept_->mutex);
  ++asked_;
  if (!reply) {
    if (endpoint_ && ++failures_ == 1) first_failure_ = failure;
    return reply;
  }
  kept_->replies[key] = *reply;
  if (kept_->lines)
    kept_->lines->add({{"judge", name_},
                       {"judge_prompt", prompt.name},
                       {"prompt_sha256", hash},
                       {"prompt", text},
                       {"attempt", attempt},
                       {"task", what.task},
                       {"sample", what.sample},
                       {"rule", what.rule},
                       {"reply", *reply}});
  return reply;
}

}  // namespace glmv::eval
