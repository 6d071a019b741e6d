// From messages and media to what the model takes: token ids, patches, grids, positions.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/chat.h"
#include "data/clip.h"
#include "data/image.h"
#include "data/safetensors.h"
#include "data/tokenizer.h"
#include "reference/model/positions.h"

namespace glmv {

/// One prompt of one sequence, on the host.
struct Prompt {
  std::vector<int64_t> ids;
  std::vector<int64_t> types;  ///< 0 text, 1 picture, 2 clip, per token
  Positions positions;
  Tensor pixel_values;  ///< f32 [P, C*T*P*P] of the pictures, or empty
  std::vector<Grid> image_grids;
  std::vector<Size> picture_sizes;  ///< of the pictures before resizing; recorded inputs do not tell them
  Tensor pixel_values_videos;       ///< the same of the clips
  std::vector<Grid> video_grids;
  std::string image_backend{};  ///< whose way the pictures went, for results; "" without media
};

/// How timestamps between the frames of a clip are written.
enum class TimestampStyle {
  whole_seconds,   ///< "0", "1": GLM-4.5V, GLM-4.1V
  tenths_seconds,  ///< "0.0 seconds": GLM-4.6V
};

/// Files of a snapshot that stages 0 to 3 need; no weights.
struct Processor {
  ModelConfig config;
  Tokenizer tokenizer;
  ImageConfig image;
  ImageConfig video;
  TimestampStyle timestamps = TimestampStyle::whole_seconds;
  ChatTemplate chat_template = ChatTemplate::glm45v;

  /// `chat_template`: to be used whatever template the snapshot has. Error: as find_chat_template().
  static Processor open(const std::string& dir, std::optional<ChatTemplate> chat_template = std::nullopt);
};

/// Renders with the processor's template (that of `options` does not count), expands placeholders and encodes. Pictures
/// and clips are taken in the order of their content parts. Error (exit code 3) if parts and media do not agree in
/// number, or if a text holds a literal placeholder.
Prompt make_prompt(const Processor& processor, const std::vector<Message>& messages, const ChatOptions& options,
                   const std::vector<Image>& images, const std::vector<Clip>& clips);

/// Text of that many pseudo-random tokens, none of them special: for timing, where nobody reads the answer.
Prompt random_prompt(const ModelConfig& config, int64_t tokens, uint64_t seed);

/// Tensors by trace name.
using TensorMap = std::map<std::string, ConstTensorView>;

/// The recorded inputs of a trace (input_ids, pixel_values, image_grid_thw, ...); positions are computed anew.
/// `label` names the trace in messages. Error (exit code 3) if inputs are missing, malformed or contradict each other.
Prompt prompt_from_trace(const TensorMap& trace, const std::string& label, const ModelConfig& config);

/// The same inputs as tensors under their trace names.
std::vector<std::pair<std::string, Tensor>> prompt_tensors(const Prompt& prompt);

}  // namespace glmv
