#include "reference/model/prompt.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "data/chat_template.h"
#include "reference/core/compare.h"
#include "reference/core/procedural.h"
#include "reference/core/rows.h"

namespace glmv {
namespace {

const std::string kImage = "<|image|>", kVideo = "<|video|>";
const std::string kBeginImage = "<|begin_of_image|>", kEndImage = "<|end_of_image|>";

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size())) ++n;
  return n;
}

/// Replaces the placeholders of `text` in order; expansions are not searched again.
std::string expand(const std::string& text, const std::string& placeholder, const std::vector<std::string>& by) {
  std::string out;
  size_t from = 0;
  for (const std::string& expansion : by) {
    const size_t at = text.find(placeholder, from);
    out += text.substr(from, at - from) + expansion;
    from = at + placeholder.size();
  }
  return out + text.substr(from);
}

void check_placeholders(const std::string& text, const std::string& placeholder, size_t media, const char* what) {
  const size_t found = count(text, placeholder);
  if (found != media) {
    input_error("the prompt has ", found, ' ', placeholder, found == 1 ? " placeholder and " : " placeholders and ",
                media, ' ', what, media == 1 ? "" : "s",
                ": each picture or clip needs exactly one, and texts must not contain the placeholder itself");
  }
}

std::string repeated(const std::string& token, int64_t n) {
  std::string out;
  for (int64_t i = 0; i < n; ++i) out += token;
  return out;
}

std::string timestamp(double seconds, TimestampStyle style) {
  if (style == TimestampStyle::whole_seconds) return std::to_string(static_cast<int64_t>(seconds));
  char text[64];
  std::snprintf(text, sizeof text, "%.1f seconds", seconds);
  return text;
}

/// A clip's tokens: per pair of frames a picture block and the time of the pair's first frame.
std::string clip_tokens(const Grid& grid, const std::vector<double>& seconds, const Processor& p) {
  const int64_t merge = p.video.merge_size, tokens = (grid[1] / merge) * (grid[2] / merge);
  std::string out;
  for (int64_t t = 0; t < grid[0]; ++t) {
    double at = 0;  // every second frame's time; the last one repeats if there are too few
    if (!seconds.empty()) at = seconds[std::min(static_cast<size_t>(2 * t), (seconds.size() - 1) / 2 * 2)];
    out += concat(kBeginImage, repeated(kImage, tokens), kEndImage, timestamp(at, p.timestamps));
  }
  return out;
}

/// Patch rows of all items below one another.
Tensor stacked(const std::vector<Patches>& items) {
  int64_t rows = 0;
  for (const Patches& item : items) rows += item.rows.view.dim[0];
  if (items.empty()) return {};
  Tensor all(DType::f32, {rows, items[0].rows.view.dim[1]});
  int64_t at = 0;
  for (const Patches& item : items) {
    convert(item.rows.view, slice(all.view, 0, at, at + item.rows.view.dim[0]));
    at += item.rows.view.dim[0];
  }
  return all;
}

/// Runs f; an Error from it says what it is about.
template <class F>
auto about(const std::string& what, F f) {
  try {
    return f();
  } catch (const Error& e) {
    throw Error(e.code(), concat(what, ": ", e.what()));
  }
}

std::string medium(const char* what, size_t number, const std::string& name) {
  return concat(what, ' ', number, " of the prompt", name.empty() ? "" : " (" + name + ')');
}

Patches preprocess_clip(const Clip& clip, const ImageConfig& config) {
  if (clip.frames.empty()) input_error("it has no frames");
  const Image& first = clip.frames[0];
  const Size size = smart_resize(static_cast<int64_t>(clip.frames.size()), first.height, first.width, config);
  std::vector<Image> frames;
  for (const Image& frame : clip.frames) {
    if (frame.width != first.width || frame.height != first.height) {
      input_error("frame ", frames.size() + 1, frame.name.empty() ? "" : " (" + frame.name + ')', " is ", frame.width,
                  'x', frame.height, " pixels, the first ", first.width, 'x', first.height);
    }
    frames.push_back(clip.resized ? frame : resize_torchvision(frame, size));
  }
  while (static_cast<int64_t>(frames.size()) % config.temporal_patch_size != 0) frames.push_back(frames.back());
  return to_patches(frames, config);
}

void check_vision_agrees(const ImageConfig& image, const VisionConfig& vision, const std::string& dir) {
  if (image.patch_size != vision.patch_size || image.temporal_patch_size != vision.temporal_patch_size ||
      image.merge_size != vision.spatial_merge_size) {
    usage_error(dir, ": preprocessor_config.json says patch ", image.patch_size, ", temporal ",
                image.temporal_patch_size, ", merge ", image.merge_size, "; config.json says ", vision.patch_size, ", ",
                vision.temporal_patch_size, ", ", vision.spatial_merge_size);
  }
}

}  // namespace

Processor Processor::open(const std::string& dir, std::optional<ChatTemplate> chat_template) {
  Processor p{read_config(dir), Tokenizer::open(dir), read_image_config(dir), {}};
  p.video = read_image_config(dir, "video_preprocessor_config.json");
  check_vision_agrees(p.image, p.config.vision, dir);
  check_vision_agrees(p.video, p.config.vision, dir);
  if (p.image.processor_class == "Glm46VProcessor") p.timestamps = TimestampStyle::tenths_seconds;
  p.chat_template = chat_template ? *chat_template : find_chat_template(dir, p.config, p.image.processor_class);
  return p;
}

Prompt make_prompt(const Processor& p, const std::vector<Message>& messages, const ChatOptions& options,
                   const std::vector<Image>& images, const std::vector<Clip>& clips) {
  ChatOptions with_template = options;
  with_template.chat_template = p.chat_template;
  std::string text = render_chat(messages, with_template);
  check_placeholders(text, kImage, images.size(), "picture");
  check_placeholders(text, kVideo, clips.size(), "clip");

  Prompt prompt;
  prompt.image_backend = name_of(p.image.backend);
  std::vector<Patches> pictures, films;
  std::vector<std::string> image_tokens, video_tokens;
  for (const Image& image : images) {
    prompt.picture_sizes.push_back({image.height, image.width});
    pictures.push_back(
        about(medium("picture", pictures.size() + 1, image.name), [&] { return preprocess_image(image, p.image); }));
    const Grid& g = pictures.back().grid;
    image_tokens.push_back(repeated(kImage, g[0] * g[1] * g[2] / (p.image.merge_size * p.image.merge_size)));
    prompt.image_grids.push_back(g);
  }
  for (const Clip& clip : clips) {
    films.push_back(about(medium("clip", films.size() + 1, clip.name), [&] { return preprocess_clip(clip, p.video); }));
    video_tokens.push_back(clip_tokens(films.back().grid, clip.seconds, p));
    prompt.video_grids.push_back(films.back().grid);
  }
  text = expand(text, kImage, image_tokens);
  text = expand(text, kVideo, video_tokens);
  prompt.ids = p.tokenizer.encode(text);
  prompt.types = token_types(prompt.ids, p.config);
  prompt.positions = rope_index(prompt.ids, prompt.image_grids, prompt.video_grids, p.config);
  prompt.pixel_values = stacked(pictures);
  prompt.pixel_values_videos = stacked(films);
  return prompt;
}

namespace {

std::vector<Grid> read_grids(const TensorMap& trace, const std::string& label, const std::string& name) {
  std::vector<Grid> grids;
  if (trace.count(name) == 0) return grids;
  const ConstTensorView v = trace.at(name);
  if (v.dtype != DType::i64 || v.rank != 2 || v.dim[1] != 3) {
    input_error(label, ": ", name, " is ", v, ", expected i64 [n,3]");
  }
  const auto grid = as<int64_t, 2>(v);
  constexpr int64_t kLargest = 1 << 20;
  for (int64_t i = 0; i < grid.dim[0]; ++i) {
    for (int axis = 0; axis < 3; ++axis) {
      if (grid(i, axis) < 1 || grid(i, axis) > kLargest) input_error(label, ": ", name, " has ", grid(i, axis));
    }
    grids.push_back({grid(i, 0), grid(i, 1), grid(i, 2)});
  }
  return grids;
}

Tensor read_pixels(const TensorMap& trace, const std::string& label, const std::string& name,
                   const std::vector<Grid>& grids, const ModelConfig& config) {
  int64_t patches = 0;
  for (const Grid& g : grids) patches += g[0] * g[1] * g[2];
  if (patches == 0) return {};
  if (trace.count(name) == 0) input_error(label, ": grids for ", patches, " patches but no ", name);
  const ConstTensorView v = trace.at(name);
  if (!is_float(v.dtype) || v.rank != 2 || v.dim[0] != patches || v.dim[1] != config.vision.patch_numbers()) {
    input_error(label, ": ", name, " is ", v, ", the grids and the configuration want [", patches, ',',
                config.vision.patch_numbers(), ']');
  }
  Tensor pixels(DType::f32, v);
  convert(v, pixels.view);
  if (const int64_t at = first_not_finite(pixels.view); at >= 0) {
    input_error(label, ": ", name, index_text(v, at), " is ", pixels.data<float>()[at], ", not a finite number");
  }
  return pixels;
}

Tensor tensor_of(const std::vector<int64_t>& values) {
  Tensor t(DType::i64, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.data<int64_t>());
  return t;
}

Tensor tensor_of(const std::vector<Grid>& grids) {
  Tensor t(DType::i64, {static_cast<int64_t>(grids.size()), 3});
  int64_t* to = t.data<int64_t>();
  for (const Grid& g : grids) to = std::copy(g.begin(), g.end(), to);
  return t;
}

}  // namespace

Prompt prompt_from_trace(const TensorMap& trace, const std::string& label, const ModelConfig& config) {
  if (trace.count("input_ids") == 0) {
    input_error(label, ": no input_ids, so there is no prompt to run; it has ", trace.size(), " tensors",
                trace.empty() ? "" : concat(", the first is ", trace.begin()->first, " (--map rewrites names)"));
  }
  const ConstTensorView ids = trace.at("input_ids");
  if (ids.dtype != DType::i64 || ids.rank != 1 || ids.size() == 0) {
    input_error(label, ": input_ids is ", ids, ", expected i64 [T] of one sequence");
  }
  Prompt prompt;
  const auto id = as<int64_t, 1>(ids);
  for (int64_t t = 0; t < id.dim[0]; ++t) {
    if (id(t) < 0 || id(t) >= config.text.vocab_size) {
      input_error(label, ": input_ids[", t, "] is ", id(t), ", the vocabulary has ", config.text.vocab_size);
    }
    prompt.ids.push_back(id(t));
  }
  prompt.types = token_types(prompt.ids, config);
  prompt.image_grids = read_grids(trace, label, "image_grid_thw");
  prompt.video_grids = read_grids(trace, label, "video_grid_thw");
  prompt.pixel_values = read_pixels(trace, label, "pixel_values", prompt.image_grids, config);
  prompt.pixel_values_videos = read_pixels(trace, label, "pixel_values_videos", prompt.video_grids, config);
  prompt.positions =
      about(label, [&] { return rope_index(prompt.ids, prompt.image_grids, prompt.video_grids, config); });
  return prompt;
}

std::vector<std::pair<std::string, Tensor>> prompt_tensors(const Prompt& p) {
  const auto tokens = static_cast<int64_t>(p.ids.size());
  Tensor positions(DType::i64, {3, tokens}), delta(DType::i64, {1});
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t axis = 0; axis < 3; ++axis) {
      positions.data<int64_t>()[axis * tokens + t] =
          p.positions.of_token[static_cast<size_t>(t)][static_cast<size_t>(axis)];
    }
  }
  delta.data<int64_t>()[0] = p.positions.rope_delta;
  std::vector<std::pair<std::string, Tensor>> out = {{"input_ids", tensor_of(p.ids)},
                                                     {"mm_token_type_ids", tensor_of(p.types)},
                                                     {"position_ids", positions},
                                                     {"rope_delta", delta}};
  if (!p.image_grids.empty())
    out.emplace_back("pixel_values", p.pixel_values), out.emplace_back("image_grid_thw", tensor_of(p.image_grids));
  if (!p.video_grids.empty())
    out.emplace_back("pixel_values_videos", p.pixel_values_videos),
        out.emplace_back("video_grid_thw", tensor_of(p.video_grids));
  return out;
}

Prompt random_prompt(const ModelConfig& config, int64_t tokens, uint64_t seed) {
  std::set<int64_t> special(config.eos_token_ids.begin(), config.eos_token_ids.end());
  special.insert({config.image_token_id, config.video_token_id, config.image_start_token_id, config.image_end_token_id,
                  config.video_start_token_id, config.video_end_token_id, config.pad_token_id});
  const uint64_t hash = procedural_hash("prompt") + seed;
  Prompt prompt;
  for (uint64_t i = 0; static_cast<int64_t>(prompt.ids.size()) < tokens; ++i) {
    const auto id = static_cast<int64_t>(procedural_unit(hash, i) * static_cast<double>(config.text.vocab_size));
    if (special.count(id) == 0) prompt.ids.push_back(id);
  }
  prompt.types = token_types(prompt.ids, config);
  prompt.positions = rope_index(prompt.ids, {}, {}, config);
  return prompt;
}

}  // namespace glmv
