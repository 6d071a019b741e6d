// GLM-4.5V's chat template, written natively: messages -> prompt text, byte for byte what the Jinja file renders.
// It does not know tools, and refuses roles it does not know, which the Jinja file would drop without a word.
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
      case ContentPart::Kind::text: text += part.text; break;
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

void append_user(const Message& message, const ChatOptions& options, std::string& out) {
  const std::string text = visible_text(message);
  out.append("<|user|>\n").append(text);
  if (!options.enable_thinking && !text.ends_with(kNoThink)) out += kNoThink;
}

/// Earlier reasoning is not shown to the model again: only turns after the user's last one keep theirs.
void append_assistant(const Message& message, bool keep_reasoning, std::string& out) {
  const std::string text = visible_text(message);
  const AssistantTurn turn = split_turn(message, text);
  out.append("<|assistant|>\n").append(kThinkBegin);
  if (keep_reasoning) out += strip(turn.reasoning);
  out += kThinkEnd;
  const std::string_view content = strip(turn.content);
  if (!content.empty()) out.append("\n").append(content);
}

}  // namespace

std::string render_chat(const std::vector<Message>& messages, const ChatOptions& options) {
  const int64_t last_user = last_user_turn(messages);
  std::string out = "[gMASK]<sop>";
  for (size_t i = 0; i < messages.size(); ++i) {
    const Message& message = messages[i];
    if (message.role == "system") {
      out.append("<|system|>\n").append(visible_text(message));
    } else if (message.role == "user") {
      append_user(message, options, out);
    } else if (message.role == "assistant") {
      append_assistant(message, static_cast<int64_t>(i) > last_user, out);
    } else {
      usage_error("messages[", i, "].role is \"", message.role, "\"; only system, user and assistant are understood");
    }
  }
  if (!options.add_generation_prompt) return out;
  out += "<|assistant|>\n";
  if (!options.enable_thinking) out.append(kThinkBegin).append(kThinkEnd).append("\n");
  return out;
}

}  // namespace glmv
