#include "eval/model.h"

#include <algorithm>
#include <map>
#include <set>

#include "data/checkpoint.h"
#include "data/json_node.h"
#include "eval/json_lines.h"
#include "eval/strict.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

using Replies = std::map<std::string, Response>;

std::string sample_name(const JsonNode& sample) {
  return sample.value.is_number_integer() ? std::to_string(sample.integer()) : sample.text();
}

/// A line of replies or of a run's responses.jsonl, which says more.
Response read_reply(const Json& line, const std::string& where) {
  StrictObject object({line, where + ':'});
  Response r;
  r.task = object.text_or("task", "");
  r.sample = sample_name(object.at("sample"));
  r.repeat = object.integer_or("repeat", 0);
  r.text = object.text("text");
  r.status = object.text_or("status", "ok");
  r.finish_reason = object.text_or("finish_reason", "stop");
  r.error = object.text_or("error", "");
  r.prompt_tokens = object.integer_or("prompt_tokens", -1);
  r.completion_tokens = object.integer_or("completion_tokens", -1);
  r.forced = object.flag_or("forced_completion", false);
  for (const char* of_that_run : {"key", "sent"}) object.find(of_that_run);
  object.finish();
  return r;
}

Replies read_replies(const std::string& path) {
  Replies out;
  for_each_json_line(path, [&](int64_t number, const Json& line) {
    const std::string where = concat(path, " line ", number);
    Response r = read_reply(line, where);
    const std::string name = ResponseStore::name_of(r.task, r.sample, r.repeat);
    const auto found = out.find(name);
    if (found != out.end() && found->second.status == "ok") {
      if (r.status == "ok") input_error(where, ": a reply to ", r.sample, " is there already");
      return;  // a failure never takes an answer's place
    }
    out[name] = std::move(r);
  });
  if (out.empty()) input_error(path, ": no replies in it");
  return out;
}

/// Is it a reply to a sample of the tasks that are asked about, or to a task that is not?
bool is_wanted(const Response& r, const std::map<std::string, std::set<std::string>>& ids) {
  if (!r.task.empty()) {
    const auto task = ids.find(r.task);
    return task == ids.end() || task->second.count(r.sample) > 0;
  }
  return std::any_of(ids.begin(), ids.end(), [&](const auto& task) { return task.second.count(r.sample) > 0; });
}

/// A misspelt id would otherwise look like a reply that is missing.
void check_wanted(const Replies& replies, const std::string& path, const std::vector<Benchmark>& benchmarks) {
  constexpr int64_t kMostNamed = 3;
  std::map<std::string, std::set<std::string>> ids;
  for (const Benchmark& b : benchmarks) {
    for (const Sample& s : b.samples) ids[b.manifest.id].insert(s.id);
  }
  std::set<std::string> unknown;
  for (const auto& [name, r] : replies) {
    if (!is_wanted(r, ids)) unknown.insert(r.sample);
  }
  if (unknown.empty()) return;
  std::string names;
  int64_t named = 0;
  for (const std::string& id : unknown) {
    if (named++ < kMostNamed) names += (names.empty() ? "\"" : "\", \"") + id;
  }
  std::string tasks;
  for (const auto& [task, samples] : ids) tasks += (tasks.empty() ? "" : ", ") + task;
  input_error(path, ": ", unknown.size(), " of its ids are no samples of ", tasks, ": ", names,
              named > kMostNamed ? "\", ..." : "\"");
}

}  // namespace

std::string key_of(const Json& sent) {
  const std::string text = sent.dump(-1, ' ', false, Json::error_handler_t::replace);
  return sha256_hex(text.data(), text.size());
}

std::string question_text(const Question& question) {
  std::string out;
  for (const Message& message : question.messages) {
    if (message.role == "system") out += "[system] ";
    for (const ContentPart& part : message.content) {
      out += part.kind == ContentPart::Kind::text    ? part.text
             : part.kind == ContentPart::Kind::image ? "<image>"
                                                     : "<video>";
    }
    if (message.role == "system") out += '\n';
  }
  return out;
}

ModelUnderTest recorded_replies(const std::string& path) {
  auto replies = std::make_shared<const Replies>(read_replies(path));
  ModelUnderTest out;
  out.name = "replies of " + path;
  out.identity = {{"kind", "recorded"}, {"file", path}};
  out.check = [replies, path](const std::vector<Benchmark>& benchmarks) { check_wanted(*replies, path, benchmarks); };
  out.prepare = [replies, path](const std::string& task, const Sample& sample, const Question& question,
                                const AskOptions& options) {
    Prepared p;
    p.sent = {{"model", "recorded"}, {"file", path}, {"prompt", question_text(question)}, {"repeat", options.repeat}};
    p.key = key_of(p.sent);
    p.ask = [=, id = sample.id, repeat = options.repeat] {
      for (const std::string& place : {task, std::string()}) {
        const auto found = replies->find(ResponseStore::name_of(place, id, repeat));
        if (found != replies->end()) return found->second;
      }
      Response missing;
      missing.status = "failed";
      missing.error = "no reply to it in " + path;
      return missing;
    };
    return p;
  };
  return out;
}

}  // namespace glmv::eval
