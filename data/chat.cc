// The chat templates of the GLM-V family, written natively: messages -> prompt text, byte for byte what the Jinja files
// render. What those would drop without a word is refused.
#include "data/chat.h"

#include "data/utf8.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

constexpr std::string_view kNoThink = "/nothink";
constexpr std::string_view kThinkBegin = "<think>";
constexpr std::string_view kThinkEnd = "</think>";

/// All parts of a message, joined.
std::string visible_text(const Message& message) {
  std::string text;
  for (const ContentPart& part : message.content) {
    switch (part.kind) {
      case ContentPart::Kind::text:
      case ContentPart::Kind::output: text += part.text; break;
      case ContentPart::Kind::image: text += "<|begin_of_image|><|image|><|end_of_image|>"; break;
      case ContentPart::Kind::video: text += "<|begin_of_video|><|video|><|end_of_video|>"; break;
    }
  }
  return text;
}

/// Index of the last message of the user, -1 if there is none.
int64_t last_user_turn(const std::vector<Message>& messages) {
  for (size_t i = messages.size(); i > 0; --i) {
    if (messages[i - 1].role == "user") return static_cast<int64_t>(i - 1);
  }
  return -1;
}

struct AssistantTurn {
  std::string_view reasoning, content;
};

/// Reasoning is what the caller gave as such, or else what stands before the first </think>; the content follows the
/// last one. Text without </think> is all content.
AssistantTurn split_turn(const Message& message, std::string_view text) {
  if (message.reasoning) return {*message.reasoning, text};
  const size_t first_end = text.find(kThinkEnd);
  if (first_end == std::string_view::npos) return {{}, text};
  std::string_view reasoning = text.substr(0, first_end);
  const size_t begin = reasoning.rfind(kThinkBegin);
  if (begin != std::string_view::npos) reasoning.remove_prefix(begin + kThinkBegin.size());
  return {reasoning, text.substr(text.rfind(kThinkEnd) + kThinkEnd.size())};
}

void append_tools(const std::vector<std::string>& tools, std::string& out) {
  if (tools.empty()) return;
  out +=
      "<|system|>\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
      "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n";
  for (const std::string& tool : tools) out.append(tool).append("\n");
  out +=
      "</tools>\n\nFor each function call, output the function name and arguments within the following XML format:\n"
      "<tool_call>{function-name}\n<arg_key>{arg-key-1}</arg_key>\n<arg_value>{arg-value-1}</arg_value>\n"
      "<arg_key>{arg-key-2}</arg_key>\n<arg_value>{arg-value-2}</arg_value>\n...\n</tool_call>";
}

void append_call(const ToolCall& call, std::string& out) {
  out.append("\n<tool_call>").append(call.name).append("\n");
  for (const auto& [key, value] : call.arguments) {
    out.append("<arg_key>").append(key).append("</arg_key>\n<arg_value>").append(value).append("</arg_value>\n");
  }
  out += "</tool_call>";
}

void append_response(std::string_view text, std::string& out) {
  out.append("\n<tool_response>\n").append(text).append("\n</tool_response>");
}

/// GLM-4.5V and GLM-4.6V.
class ThinkingRenderer {
 public:
  ThinkingRenderer(const std::vector<Message>& messages, const ChatOptions& options)
      : messages_(messages), options_(options), last_user_(last_user_turn(messages)) {}

  void append(size_t i, std::string& out) const {
    const Message& message = messages_[i];
    if (message.role == "system") {
      out.append("<|system|>\n").append(visible_text(message));
    } else if (message.role == "user") {
      append_user(message, out);
    } else if (message.role == "assistant") {
      append_assistant(message, static_cast<int64_t>(i) > last_user_, out);
    } else {
      append_tool_message(i, out);
    }
  }

 private:
  void append_user(const Message& message, std::string& out) const {
    const std::string text = visible_text(message);
    out.append("<|user|>\n").append(text);
    if (!options_.enable_thinking && !text.ends_with(kNoThink)) out += kNoThink;
  }

  /// Earlier reasoning is not shown to the model again: only turns after the user's last one keep theirs.
  static void append_assistant(const Message& message, bool keep_reasoning, std::string& out) {
    const std::string text = visible_text(message);
    const AssistantTurn turn = split_turn(message, text);
    out.append("<|assistant|>\n").append(kThinkBegin);
    if (keep_reasoning) out += strip(turn.reasoning);
    out += kThinkEnd;
    const std::string_view content = strip(turn.content);
    if (!content.empty()) out.append("\n").append(content);
    for (const ToolCall& call : message.tool_calls) append_call(call, out);
  }

  void append_tool_message(size_t i, std::string& out) const {
    const Message& message = messages_[i];
    const bool newer = options_.chat_template == ChatTemplate::glm46v;
    const bool first = i == 0 || messages_[i - 1].role != "tool";
    if (first || (message.is_list && !newer)) out += "<|observation|>";
    if (!message.is_list || newer) {
      append_response(visible_text(message), out);
      if (!message.is_list && newer) out += "\n";  // a slip of that template's whitespace
      return;
    }
    for (const ContentPart& part : message.content) {
      if (part.kind != ContentPart::Kind::output)
        usage_error("messages[", i,
                    "].content: GLM-4.5V's template would print this part of a tool's answer as Python "
                    "prints it; give a string, or {\"output\": string}");
      append_response(part.text, out);
    }
  }

  const std::vector<Message>& messages_;
  const ChatOptions& options_;
  int64_t last_user_;
};

/// GLM-4.1V, which writes contents as they are.
void append_plain(const Message& message, std::string& out) {
  out.append("<|").append(message.role).append("|>").append(message.metadata);
  out.append("\n").append(visible_text(message));
}

void check_known(const Message& m, size_t i, const ChatOptions& options) {
  const auto refuse = [&](const char* what, const auto&... why) { usage_error("messages[", i, "].", what, why...); };
  const bool plain = options.chat_template == ChatTemplate::glm41v, tool = m.role == "tool";
  const char* dropped = ": GLM-4.1V's template knows no tools and would drop it";
  if (m.role != "system" && m.role != "user" && m.role != "assistant" && !tool)
    refuse("role", " is \"", m.role, "\"; only system, user, assistant and tool are understood");
  if (plain && tool) refuse("role is \"tool\"", dropped);
  if (plain && !m.tool_calls.empty()) refuse("tool_calls", dropped);
  if (plain && m.is_list && m.role != "user")
    refuse("content", " is a list, which GLM-4.1V's template would print as Python prints it; give a string");
  if (!plain && !m.metadata.empty())
    refuse("metadata", ": ", name_of(options.chat_template), "'s template would drop it");
}

}  // namespace

const char* name_of(ChatTemplate chat_template) {
  switch (chat_template) {
    case ChatTemplate::glm45v: return "GLM-4.5V";
    case ChatTemplate::glm46v: return "GLM-4.6V";
    case ChatTemplate::glm41v: return "GLM-4.1V";
  }
  GLMV_CHECK(false, static_cast<int>(chat_template));
}

std::string render_chat(const std::vector<Message>& messages, const ChatOptions& options) {
  const bool plain = options.chat_template == ChatTemplate::glm41v;
  if (plain && !options.tools.empty()) usage_error("tools: GLM-4.1V's template knows no tools and would drop them");
  std::string out = "[gMASK]<sop>";
  append_tools(options.tools, out);
  const ThinkingRenderer renderer(messages, options);
  for (size_t i = 0; i < messages.size(); ++i) {
    check_known(messages[i], i, options);
    plain ? append_plain(messages[i], out) : renderer.append(i, out);
  }
  if (!options.add_generation_prompt) return out;
  out += "<|assistant|>\n";
  if (!options.enable_thinking && !plain) out.append(kThinkBegin).append(kThinkEnd).append("\n");
  return out;
}

}  // namespace glmv
