// Chat: messages -> prompt text (the templates of the GLM-V family, written natively) and answer text -> its parts.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glmv {

struct ContentPart {
  enum class Kind {
    text,
    image,
    video,
    output,  ///< of a tool, as text: {"output": ...} or a plain string in a list
  };
  Kind kind = Kind::text;
  std::string text;  ///< for text parts and outputs
};

/// A call that an assistant made.
struct ToolCall {
  std::string name;
  /// In order. Values as they are written: strings raw, others as python_json().
  std::vector<std::pair<std::string, std::string>> arguments;
};

struct Message {
  std::string role;  ///< "system", "user", "assistant" or "tool"
  std::vector<ContentPart> content;
  std::optional<std::string> reasoning;  ///< reasoning_content of an assistant turn
  std::vector<ToolCall> tool_calls{};    ///< of an assistant turn
  bool is_list = false;    ///< the content was a list of parts; tool messages are written differently then
  std::string metadata{};  ///< of an assistant turn; GLM-4.1V writes it behind the role
};

/// Whose chat template.
enum class ChatTemplate {
  glm45v,  ///< GLM-4.5V
  glm46v,  ///< GLM-4.6V: differs in messages of tools
  glm41v,  ///< GLM-4.1V-9B-Thinking: no tools, no thinking switch, history as it is
};

/// "GLM-4.5V" ...
const char* name_of(ChatTemplate chat_template);

struct ChatOptions {
  bool add_generation_prompt = true;
  bool enable_thinking = true;  ///< false appends /nothink and an empty think block; without effect on GLM-4.1V
  ChatTemplate chat_template = ChatTemplate::glm45v;
  std::vector<std::string> tools{};  ///< declarations, each as python_json()
};

/// The prompt as one string, byte for byte what the published template renders. Image and video parts become
/// <|begin_of_image|><|image|><|end_of_image|> (video likewise). Error (exit code 2): unknown roles, which the Jinja
/// files drop without a word; tools and messages of tools with GLM-4.1V, which drops those; parts that a template would
/// print as Python prints a dict.
std::string render_chat(const std::vector<Message>& messages, const ChatOptions& options);

/// What a generated text consists of.
struct Answer {
  std::string thinking;            ///< inside <think>, trimmed of one leading newline
  std::string answer;              ///< what follows </think>, box markers still in place
  bool thinking_closed = true;     ///< false: cut off inside <think>, the answer is empty
  std::vector<std::string> boxed;  ///< outermost <|begin_of_box|> spans (or \boxed{...}), trimmed
};

/// Splits a response as spec section 5.2 says. `thinking_in_prompt`: the prompt already ended in a closed think block.
Answer parse_answer(std::string_view text, bool thinking_in_prompt);

/// Boxes [x1, y1, x2, y2] in thousandths found in a text: groups of four numbers, any kind of bracket.
std::vector<std::array<double, 4>> parse_boxes(std::string_view text);

/// Thousandths of the picture -> pixels of the original picture.
std::array<double, 4> box_to_pixels(const std::array<double, 4>& box, int64_t width, int64_t height);

}  // namespace glmv
