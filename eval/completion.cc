// The body of a chat completion.
#include <optional>

#include "data/json_file.h"
#include "eval/endpoint.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

constexpr size_t kMostShown = 200;  // characters of a reply in a message

/// A text, or a list of parts of which those of type text count. Nothing for anything else.
std::optional<std::string> content_text(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  if (!content.is_array()) return std::nullopt;
  std::string out;
  for (const Json& part : content) {
    if (!part.is_object()) return std::nullopt;
    const auto text = part.find("text");
    if (text == part.end()) continue;
    if (!text->is_string()) return std::nullopt;
    out += text->get<std::string>();
  }
  return out;
}

/// Null content is an answer only where something else was said: the thinking, or nothing up to the limit.
bool may_be_null(const std::string& reasoning, const std::string& finish) {
  return !reasoning.empty() || finish == "length";
}

std::string text_member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

/// The first part on the way to choices[0].message.content that is not there or of another kind; null if all are.
const char* missing_part(const Json& root) {
  const auto choices = root.is_object() ? root.find("choices") : root.end();
  if (!root.is_object() || choices == root.end() || !choices->is_array()) return "list choices";
  if (choices->empty() || !(*choices)[0].is_object()) return "choices[0]";
  const auto message = (*choices)[0].find("message");
  if (message == (*choices)[0].end() || !message->is_object()) return "choices[0].message";
  return message->contains("content") ? nullptr : "choices[0].message.content";
}

int64_t count_of(const Json& root, const char* key) {
  const auto usage = root.find("usage");
  if (usage == root.end() || !usage->is_object()) return -1;
  const auto count = usage->find(key);
  return count != usage->end() && count->is_number_integer() ? count->get<int64_t>() : -1;
}

}  // namespace

bool parse_completion(const std::string& body, Response& out, std::string& why) {
  const auto refuse = [&](const std::string& reason) {
    why = body.empty() ? "the reply is empty" : concat("the reply ", reason, ": ", body.substr(0, kMostShown));
    return false;
  };
  Json root;
  try {
    root = parse_json(body, "reply", 64);
  } catch (const Error&) {
    return refuse("is not JSON");
  }
  if (const char* lack = missing_part(root)) return refuse(concat("has no ", lack));
  const Json& choice = root["choices"][0];
  const Json& message = choice["message"];
  const auto content = message.find("content");
  std::string reasoning = text_member(message, "reasoning_content");
  if (reasoning.empty()) reasoning = text_member(message, "reasoning");
  out = Response();
  out.finish_reason = text_member(choice, "finish_reason");
  if (!reasoning.empty()) out.text = concat("<think>", reasoning, "</think>\n");
  if (const auto text = content_text(*content)) {
    out.text += *text;
  } else if (!content->is_null() || !may_be_null(reasoning, out.finish_reason)) {
    return refuse(concat("has the content ", content->dump().substr(0, kMostShown), ", not a text (finish reason \"",
                         out.finish_reason, "\")"));
  }
  out.prompt_tokens = count_of(root, "prompt_tokens");
  out.completion_tokens = count_of(root, "completion_tokens");
  return true;
}

}  // namespace glmv::eval
