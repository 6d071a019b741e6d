#include "eval/model.h"

#include <map>

#include "data/checkpoint.h"
#include "data/json_node.h"
#include "eval/strict.h"
#include "reference/core/error.h"

namespace glmv::eval {

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
  auto replies = std::make_shared<std::map<std::string, Response>>();
  int64_t number = 0;
  for (const Json& line : read_json_lines(path)) {
    const std::string where = concat(path, " line ", ++number);
    StrictObject object({line, where + ':'});
    Response r;
    r.task = object.text_or("task", "");
    r.sample = object.text("sample");
    r.repeat = object.integer_or("repeat", 0);
    r.text = object.text("text");
    r.status = object.text_or("status", "ok");
    r.finish_reason = object.text_or("finish_reason", "stop");
    object.finish();
    if (!replies->emplace(ResponseStore::name_of(r.task, r.sample, r.repeat), r).second)
      input_error(where, ": a reply to ", r.sample, " is there already");
  }
  if (replies->empty()) input_error(path, ": no replies in it");
  ModelUnderTest out;
  out.name = "replies of " + path;
  out.identity = {{"kind", "recorded"}, {"file", path}};
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
      missing.error = path + ": no reply to it";
      return missing;
    };
    return p;
  };
  return out;
}

}  // namespace glmv::eval
