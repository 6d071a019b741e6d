#include "data/messages.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "data/file.h"
#include "data/json_file.h"
#include "data/json_node.h"
#include "data/python_json.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr uint64_t kMostBytes = 64u << 20;  // a file with pictures inside would be larger, and is not understood

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// The path of a file URL, in which a byte may be written %20. Unlike a URL, a plain path may hold a % as it is.
std::string decode_percent(const std::string& text, const std::string& where) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
    if (high < 0 || low < 0 || high + low == 0) input_error(where, " is \"", text, "\": % without two hex digits");
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

/// A medium's place in the local file system.
std::string local_path(const JsonNode& node, const fs::path& folder) {
  std::string text = node.text();
  constexpr std::string_view kFile = "file://";
  if (text.starts_with(kFile)) {
    text = decode_percent(text.substr(kFile.size()), node.where);
  } else if (const size_t colon = text.find(':'); text.starts_with("data:") || text.find("://") != std::string::npos) {
    usage_error(node.where, " is a ", text.substr(0, colon), ": URL; only local files are read");
  }
  if (text.empty()) input_error(node.where, " is empty");
  if (text.find('\0') != std::string::npos) input_error(node.where, " is a file name with a zero byte");
  return (folder / text).string();
}

/// The part's medium under the first of these keys that is there.
std::string medium(const JsonNode& part, std::initializer_list<const char*> keys, const fs::path& folder) {
  for (const char* key : keys) {
    if (part.find(key) != nullptr) return local_path(part.at(key), folder);
  }
  input_error(part.where, ": ", *keys.begin(), " is missing");
}

ContentPart read_part(const JsonNode& part, const fs::path& folder, Conversation& out) {
  part.expect_object();
  const std::string type = part.at("type").text();
  if (type == "text") return {ContentPart::Kind::text, part.at("text").text()};
  if (type == "image") {
    out.images.push_back(medium(part, {"image", "url", "path"}, folder));
    return {ContentPart::Kind::image, ""};
  }
  if (type == "image_url") {
    const JsonNode url = part.at("image_url");
    out.images.push_back(local_path(url.value.is_object() ? url.at("url") : url, folder));
    return {ContentPart::Kind::image, ""};
  }
  if (type == "video") {
    out.videos.push_back(medium(part, {"video", "url", "path"}, folder));
    return {ContentPart::Kind::video, ""};
  }
  usage_error(part.where, ".type is \"", type, "\"; only text, image, image_url and video are understood");
}

/// Parts of a tool's answer that have no type.
std::optional<ContentPart> read_output(const JsonNode& part) {
  if (part.value.is_string()) return ContentPart{ContentPart::Kind::output, part.text()};
  if (!part.value.is_object() || part.value.contains("type") || !part.value.contains("output")) return std::nullopt;
  return ContentPart{ContentPart::Kind::output, part.at("output").text()};
}

/// Values of arguments are read from the file a second time, with their keys in order: that is how they are printed.
ToolCall read_call(const JsonNode& node, const ordered_json& ordered) {
  node.expect_object();
  const bool wrapped = node.find("function") != nullptr;
  const JsonNode function = wrapped ? node.at("function") : node;
  const JsonNode arguments = function.at("arguments");
  if (arguments.value.is_string())
    input_error(arguments.where, " is a string; the templates want an object, so parse it first");
  arguments.expect_object();
  ToolCall call{function.at("name").text(), {}};
  for (const auto& [key, value] : (wrapped ? ordered["function"] : ordered)["arguments"].items())
    call.arguments.emplace_back(key, value.is_string() ? value.get<std::string>() : python_json(value));
  return call;
}

void read_assistant(const JsonNode& node, const ordered_json& ordered, Message& message) {
  if (node.find("reasoning_content") != nullptr) message.reasoning = node.at("reasoning_content").text();
  if (node.find("metadata") != nullptr) message.metadata = node.at("metadata").text();
  if (node.find("tool_calls") == nullptr) return;
  const std::vector<JsonNode> calls = node.at("tool_calls").list();
  for (size_t i = 0; i < calls.size(); ++i) {
    message.tool_calls.push_back(read_call(calls[i], ordered["tool_calls"][i]));
  }
}

void read_content(const JsonNode& content, const fs::path& folder, Message& message, Conversation& out) {
  message.is_list = content.value.is_array();
  if (!message.is_list) {
    message.content.push_back({ContentPart::Kind::text, content.text()});
    return;
  }
  for (const JsonNode& part : content.list()) {
    const std::optional<ContentPart> output = message.role == "tool" ? read_output(part) : std::nullopt;
    message.content.push_back(output ? *output : read_part(part, folder, out));
  }
}

Message read_message(const JsonNode& node, const ordered_json& ordered, const fs::path& folder, Conversation& out) {
  node.expect_object();
  Message message{node.at("role").text(), {}, {}};
  const bool assistant = message.role == "assistant";
  if (message.role != "system" && message.role != "user" && !assistant && message.role != "tool") {
    usage_error(node.where, ".role is \"", message.role, "\"; only system, user, assistant and tool are understood");
  }
  if (!assistant && node.find("tool_calls") != nullptr) usage_error(node.where, ".tool_calls: only an assistant calls");
  if (assistant) read_assistant(node, ordered, message);
  // The templates take a missing content for an empty one, but print None for a null.
  if (message.tool_calls.empty() || node.value.contains("content"))
    read_content(node.at("content"), folder, message, out);
  return message;
}

/// `text` is what `root` was parsed from.
Conversation conversation_of(const json& root, const std::string& text, const std::string& where,
                             const fs::path& folder) {
  const bool wrapped = root.is_object();
  if (wrapped && !root.contains("messages")) input_error(where, ": messages is missing");
  const json& list = wrapped ? root["messages"] : root;
  if (!list.is_array() || list.empty()) input_error(where, ": not a list of messages, or an empty one");
  const ordered_json ordered = ordered_json::parse(text);
  const ordered_json& ordered_list = wrapped ? ordered["messages"] : ordered;
  Conversation out;
  const std::vector<JsonNode> nodes = JsonNode{list, where + ": messages"}.list();
  for (size_t i = 0; i < nodes.size(); ++i) {
    out.messages.push_back(read_message(nodes[i], ordered_list[i], folder, out));
  }
  const JsonNode node{root, where + ":"};
  if (!wrapped || node.find("tools") == nullptr) return out;
  const std::vector<JsonNode> tools = node.at("tools").list();
  for (size_t i = 0; i < tools.size(); ++i) {
    tools[i].expect_object();
    out.tools.push_back(python_json(ordered["tools"][i]));
  }
  return out;
}

NamedConversation prompt_of_line(const std::string& line, const std::string& where, const fs::path& folder,
                                 const GenerationSettings& defaults) {
  const json root = parse_json_object(line, where);
  NamedConversation out;
  for (const auto& [key, value] : root.items()) {
    if (key != "id" && key != "messages" && key != "prompt" && key != "tools" && !is_setting(key))
      input_error(where, ": ", key,
                  " is not understood; a line has messages or a prompt, and may have an id, tools and settings");
  }
  const JsonNode node{root, where + ":"};
  if (root.contains("id")) out.id = node.at("id").text();
  out.settings = read_settings(node, defaults);
  if (root.contains("messages") == root.contains("prompt"))
    input_error(where, ": either messages or a prompt is wanted");
  if (root.contains("messages")) {
    out.conversation = conversation_of(root, line, where, folder);
  } else {
    if (root.contains("tools")) input_error(where, ": tools stand beside messages, not beside a prompt");
    out.conversation.messages = {{"user", {{ContentPart::Kind::text, node.at("prompt").text()}}, {}}};
  }
  return out;
}

}  // namespace

Conversation parse_messages(const std::string& json_text, const std::string& path) {
  return conversation_of(parse_json(json_text, path), json_text, path, fs::path(path).parent_path());
}

Conversation read_messages(const std::string& path) { return parse_messages(read_file(path, kMostBytes), path); }

std::vector<NamedConversation> read_prompts(const std::string& path, const GenerationSettings& defaults) {
  std::istringstream in(read_file(path, kMostBytes));
  std::vector<NamedConversation> out;
  std::set<std::string> ids;
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = concat(path, " line ", number);
    out.push_back(prompt_of_line(line, where, fs::path(path).parent_path(), defaults));
    if (out.back().id.empty()) out.back().id = std::to_string(number);
    if (!ids.insert(out.back().id).second) input_error(where, ": the id \"", out.back().id, "\" is there twice");
  }
  if (out.empty()) input_error(path, ": no prompts in it");
  return out;
}

}  // namespace glmv
