// The body of a chat completion.
#include "data/json_file.h"
#include "eval/endpoint.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

std::string content_text(const Json& content) {
  if (content.is_string()) return content.get<std::string>();
  std::string out;
  if (content.is_array())
    for (const Json& part : content)
      if (part.is_object()) out += part.value("text", "");
  return out;
}

}  // namespace

bool parse_completion(const std::string& body, Response& out, std::string& why) {
  const auto refuse = [&](const char* reason) {
    why = concat("the reply ", reason, ": ", body.substr(0, 200));
    return false;
  };
  Json root;
  try {
    root = parse_json(body, "reply", 64);
  } catch (const Error&) {
    return refuse("is not JSON");
  }
  const auto choices = root.is_object() ? root.find("choices") : root.end();
  if (!root.is_object() || choices == root.end() || !choices->is_array() || choices->empty() ||
      !(*choices)[0].is_object() || !(*choices)[0].contains("message") || !(*choices)[0]["message"].is_object())
    return refuse("has no choices[0].message");
  const Json& message = (*choices)[0]["message"];
  const auto member = [&](const char* key) { return message.contains(key) ? message[key] : Json(); };
  if (!message.contains("content")) return refuse("has no content");
  Json reasoning = member("reasoning_content");
  if (reasoning.is_null()) reasoning = member("reasoning");
  out = Response();
  if (reasoning.is_string() && !reasoning.get_ref<const std::string&>().empty())
    out.text = concat("<think>", reasoning.get<std::string>(), "</think>\n");
  out.text += content_text(message["content"]);
  const Json finish = (*choices)[0].contains("finish_reason") ? (*choices)[0]["finish_reason"] : Json();
  out.finish_reason = finish.is_string() ? finish.get<std::string>() : "";
  if (root.contains("usage") && root["usage"].is_object()) {
    const auto count = [&](const char* key) {
      return root["usage"].contains(key) && root["usage"][key].is_number_integer() ? root["usage"][key].get<int64_t>()
                                                                                   : -1;
    };
    out.prompt_tokens = count("prompt_tokens");
    out.completion_tokens = count("completion_tokens");
  }
  return true;
}

}  // namespace glmv::eval
