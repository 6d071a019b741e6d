// Models and judges behind a server that speaks the OpenAI protocol (chat completions).
#pragma once

#include <optional>
#include <string>

#include "eval/http.h"
#include "eval/model.h"

namespace glmv::eval {

struct EndpointOptions {
  std::string base_url;  ///< "http://host:8000/v1"
  std::string model;
  std::string key_variable = "OPENAI_API_KEY";  ///< the environment variable that holds the key; it may be unset
  int concurrency = 4;
  double requests_per_second = 0;
  double timeout_s = 600;
  RetryOptions retry;
  std::optional<double> temperature, top_p;
  std::optional<int64_t> seed;  ///< of repeat 0; the next repeat's is one more
  Json extra = Json::object();  ///< merged into every request
  bool server_flags = true;     ///< send what vLLM and SGLang understand: chat_template_kwargs, skip_special_tokens
  std::string request_log;      ///< a folder for the exact bytes of every request, named by their sha256; "" = none
};

/// Pictures become data URLs of the data set's own bytes, clips their frames, video files data URLs. Error: an address
/// that is none or a key in `extra` that is set here (exit code 2); a picture or video that cannot be decoded (exit
/// code 3, when it is prepared). The key, and credentials in the address, are sent and neither stored nor printed.
ModelUnderTest endpoint_model(const EndpointOptions& options);

/// Messages as the protocol wants them, media as data URLs.
nlohmann::ordered_json request_messages(const Question& question);

/// Posts one body to the endpoint's chat completions and tries again what may pass. A reply that is no chat completion
/// has the status 0 and says in `error` what came. Error (exit code 2): a key that is not accepted.
HttpReply post_body(const EndpointOptions& options, const std::string& body);

/// One user message, with pictures in front: what judges are asked.
struct JudgeReply {
  bool ok = false;
  std::string text, error;
};
JudgeReply ask_endpoint(const EndpointOptions& options, const std::string& text,
                        const std::vector<std::string>& pictures, int64_t max_new_tokens);

/// The body of a chat completion -> the reply; a reasoning_content is put in front inside <think>. False, with the
/// reason, for anything that is not one: content that is no text; null content, but for thinking that came apart and
/// for an answer that was cut off before it began (a call of a tool is no answer).
bool parse_completion(const std::string& body, Response& out, std::string& why);

}  // namespace glmv::eval
