// Chat: messages -> prompt text (GLM-4.5V's template, written natively) and answer text -> its parts.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glmv {

struct ContentPart {
  enum class Kind { text, image, video };
  Kind kind = Kind::text;
  std::string text;  ///< for text parts
};

struct Message {
  std::string role;  ///< "system", "user" or "assistant"
  std::vector<ContentPart> content;
  std::optional<std::string> reasoning;  ///< reasoning_content of an assistant turn
};

struct ChatOptions {
  bool add_generation_prompt = true;
  bool enable_thinking = true;  ///< false appends /nothink and an empty think block
};

/// The prompt as one string, byte for byte what the published GLM-4.5V template renders. Image and video parts
/// become <|begin_of_image|><|image|><|end_of_image|> (video likewise). Unknown roles are an Error (exit code 2).
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
