#include "eval/endpoint.h"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <set>

#include "data/checkpoint.h"
#include "data/file.h"
#include "data/json_file.h"
#include "eval/secrets.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

/// Of pictures that were decoded, so one of these it is.
std::string picture_type(std::string_view bytes) {
  if (bytes.starts_with("\x89PNG")) return "image/png";
  if (bytes.starts_with("\xFF\xD8\xFF")) return "image/jpeg";
  if (bytes.starts_with("GIF8")) return "image/gif";
  if (bytes.starts_with("BM")) return "image/bmp";
  return "image/webp";
}

OrderedJson url_part(const std::string& type, const std::string& url) {
  return {{"type", type}, {type, {{"url", url}}}};
}

OrderedJson picture_part(const std::string& bytes) {
  return url_part("image_url", concat("data:", picture_type(bytes), ";base64,", base64_encode(bytes)));
}

/// The parts a medium becomes, and the hashes of its bytes.
void add_medium(const Medium& m, OrderedJson& parts, Json& hashes) {
  const auto add = [&](const std::string& bytes) { hashes.push_back(sha256_hex(bytes.data(), bytes.size())); };
  if (m.kind == Medium::Kind::video_file) {
    const std::string bytes = checked_video(m);
    add(bytes);
    parts.push_back(url_part("video_url", "data:video/mp4;base64," + base64_encode(bytes)));
    return;
  }
  if (m.kind == Medium::Kind::image) {
    const std::string bytes = checked_picture(m);
    add(bytes);
    parts.push_back(picture_part(bytes));
    return;
  }
  for (const std::string& frame : m.frames) {
    const std::string bytes = checked_frame(frame);
    add(bytes);
    parts.push_back(picture_part(bytes));
  }
}

OrderedJson messages_of(const Question& question, Json& hashes) {
  OrderedJson out = OrderedJson::array();
  size_t next = 0;
  for (const Message& message : question.messages) {
    OrderedJson parts = OrderedJson::array();
    for (const ContentPart& part : message.content) {
      if (part.kind == ContentPart::Kind::text)
        parts.push_back({{"type", "text"}, {"text", part.text}});
      else
        add_medium(*question.media.at(next++), parts, hashes);
    }
    out.push_back({{"role", message.role}, {"content", parts}});
  }
  return out;
}

void add_sampling(const EndpointOptions& options, int64_t repeat, OrderedJson& body) {
  if (options.temperature) body["temperature"] = *options.temperature;
  if (options.top_p) body["top_p"] = *options.top_p;
  if (options.seed) body["seed"] = *options.seed + repeat;
  for (const auto& [key, value] : options.extra.items()) body[key] = value;
}

std::vector<std::string> headers_of(const EndpointOptions& options) {
  const std::string key = key_in(options.key_variable);
  if (key.empty()) return {};
  return {concat("Authorization: Bearer ", key)};
}

std::string url_of(const EndpointOptions& options) {
  const size_t query = std::min(options.base_url.find('?'), options.base_url.size());
  std::string base = options.base_url.substr(0, query);
  while (base.ends_with('/')) base.pop_back();
  return base + "/chat/completions" + options.base_url.substr(query);
}

/// Keys that are refused are refused for every sample.
void check_refusal(const HttpReply& reply, const EndpointOptions& options) {
  if (reply.status == 401 || reply.status == 403)
    usage_error(without_credentials(options.base_url), ": HTTP ", reply.status, ": the key in ", options.key_variable,
                " is not accepted");
}

void log_request(const EndpointOptions& options, const std::string& body, const std::string& hash) {
  if (options.request_log.empty()) return;
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  const fs::path path = fs::path(options.request_log) / (hash + ".json");
  if (fs::exists(path)) return;
  fs::create_directories(options.request_log);
  OutputFile file(path.string(), Devices::refused);
  file.write(body.data(), body.size());
  file.commit();
}

Response post(const EndpointOptions& options, RateLimit& limit, const std::string& body) {
  Response r;
  std::string why;
  int tries = 0;
  const auto usable = [&](const std::string& text, std::string& reason) { return parse_completion(text, r, reason); };
  const HttpReply reply = post_with_retry(url_of(options), body, headers_of(options), options.timeout_s, options.retry,
                                          limit, usable, why, tries);
  check_refusal(reply, options);
  if (reply.status == 200) {
    r.text = Secrets(url_of(options), headers_of(options)).hide(std::move(r.text));  // it may have been escaped
    return r;
  }
  Response failed;
  failed.status = "failed";
  failed.error = concat(why, " (", tries, tries == 1 ? " try)" : " tries)");
  return failed;
}

}  // namespace

OrderedJson request_messages(const Question& question) {
  Json hashes = Json::array();
  return messages_of(question, hashes);
}

HttpReply post_body(const EndpointOptions& options, const std::string& body) {
  std::string why;
  int tries = 0;
  RateLimit limit(options.requests_per_second);
  const auto usable = [](const std::string& text, std::string& reason) {
    Response ignored;
    return parse_completion(text, ignored, reason);
  };
  HttpReply reply = post_with_retry(url_of(options), body, headers_of(options), options.timeout_s, options.retry, limit,
                                    usable, why, tries);
  check_refusal(reply, options);
  if (reply.status == 0 && reply.error.empty())  // something came, and is not usable
    reply.error = concat("HTTP 200, but ", why, " (", tries, tries == 1 ? " try)" : " tries)");
  return reply;
}

namespace {

/// What eval itself says in a request must not be said again, and differently.
void check_extra(const EndpointOptions& o) {
  std::set<std::string> ours = {"model", "messages", "max_tokens", "stream", "n"};
  if (o.temperature) ours.insert("temperature");
  if (o.top_p) ours.insert("top_p");
  if (o.seed) ours.insert("seed");
  if (o.server_flags) ours.insert("skip_special_tokens");
  for (const auto& [key, value] : o.extra.items()) {
    if (ours.count(key) > 0) usage_error("--extra-body: ", key, " is set by eval itself");
    if (key == "chat_template_kwargs" && !value.is_object())
      usage_error("--extra-body: ", key, " is ", value.dump(), ", not an object");
  }
}

}  // namespace

ModelUnderTest endpoint_model(const EndpointOptions& options) {
  check_extra(options);
  if (!options.base_url.starts_with("http://") && !options.base_url.starts_with("https://"))
    usage_error("--base-url ", without_credentials(options.base_url), ": an http:// or https:// address is wanted");
  auto limit = std::make_shared<RateLimit>(options.requests_per_second);
  ModelUnderTest out;
  out.name = options.model;
  out.concurrency = options.concurrency;
  out.identity = {{"kind", "endpoint"}, {"model", options.model}, {"base_url", without_credentials(options.base_url)}};
  out.prepare = [options, limit](const std::string&, const Sample&, const Question& question, const AskOptions& asked) {
    Json hashes = Json::array();
    OrderedJson body = {
        {"model", options.model}, {"messages", messages_of(question, hashes)}, {"max_tokens", asked.max_new_tokens}};
    add_sampling(options, asked.repeat, body);
    if (options.server_flags) {
      if (!asked.thinking) body["chat_template_kwargs"]["enable_thinking"] = false;
      body["skip_special_tokens"] = false;  // box tokens are part of the answer
    }
    const std::string bytes = body.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
    const std::string request = sha256_hex(bytes.data(), bytes.size());
    Prepared p;
    p.sent = {{"model", options.model},     {"prompt", question_text(question)},
              {"picture_sha256", hashes},   {"request_sha256", request},
              {"thinking", asked.thinking}, {"max_new_tokens", asked.max_new_tokens},
              {"repeat", asked.repeat}};
    p.key = key_of(p.sent);
    p.ask = [options, limit, bytes, request] {
      log_request(options, bytes, request);
      return post(options, *limit, bytes);
    };
    return p;
  };
  return out;
}

JudgeReply ask_endpoint(const EndpointOptions& options, const std::string& text,
                        const std::vector<std::string>& pictures, int64_t max_new_tokens) {
  OrderedJson parts = OrderedJson::array();
  for (const std::string& bytes : pictures) parts.push_back(picture_part(bytes));
  parts.push_back({{"type", "text"}, {"text", text}});
  OrderedJson body = {
      {"model", options.model}, {"messages", {{{"role", "user"}, {"content", parts}}}}, {"max_tokens", max_new_tokens}};
  add_sampling(options, 0, body);
  const std::string bytes = body.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
  RateLimit limit(options.requests_per_second);
  log_request(options, bytes, sha256_hex(bytes.data(), bytes.size()));
  const Response r = post(options, limit, bytes);
  return {r.status == "ok", r.text, r.error};
}

}  // namespace glmv::eval
