// Stages 1 and 2: pictures to pixels, clips to frames and times, placeholders, the prompt's text.
#include <algorithm>

#include "crosscheck/mistake_tools.h"
#include "crosscheck/resample.h"
#include "data/exif.h"
#include "data/file.h"
#include "data/picture_file.h"

namespace glmv {
namespace {

// ---- pictures before they are resized

void for_pictures(PromptRequest& r, const std::function<void(Image&)>& f) {
  for (Image& image : r.images) f(image);
  for (Clip& clip : r.clips) {
    for (Image& frame : clip.frames) f(frame);
  }
}

void swap_red_and_blue(PromptRequest& r) {
  for_pictures(r, [](Image& image) {
    for (size_t i = 0; i + 2 < image.rgb.size(); i += 3) std::swap(image.rgb[i], image.rgb[i + 2]);
  });
}

/// Brings each picture to the size that the processor wants before the processor sees it.
void resize_first(PromptRequest& r, const std::function<Image(const Image&, Size)>& resize) {
  for (Image& image : r.images) {
    const ImageConfig& c = r.processor.image;
    image = resize(image, smart_resize(c.temporal_patch_size, image.height, image.width, c));
  }
}

template <Filter filter, bool antialias>
void resize_by(PromptRequest& r) {
  resize_first(r, [](const Image& image, Size size) { return resample(image, size, filter, antialias); });
}

/// Sides cut down to a multiple of one merged patch.
void cut_sides(PromptRequest& r) {
  const int64_t step = r.processor.image.patch_size * r.processor.image.merge_size;
  resize_first(r, [&](const Image& image, Size wanted) {
    const auto cut = [&](int64_t side, int64_t fallback) { return side < step ? fallback : side / step * step; };
    return resize_torchvision(image, {cut(image.height, wanted.height), cut(image.width, wanted.width)});
  });
}

/// The square that the position table was made for.
void fixed_square(PromptRequest& r) {
  const int64_t side = r.processor.config.vision.image_size;
  for (Image& image : r.images) image = resize_torchvision(image, {side, side});
}

/// What undoes a rotation is the other one; mirrored pictures are their own opposite.
int opposite(int orientation) { return orientation == 6 ? 8 : orientation == 8 ? 6 : orientation; }

/// The orientation of a JPEG's first EXIF segment, which lies near the start; 1 for other files.
int jpeg_orientation(const std::string& path) {
  const std::string bytes = read_file(path);
  const size_t at = bytes.substr(0, size_t{1} << 16).find(std::string("Exif\0\0", 6));
  if (bytes.rfind("\xff\xd8", 0) != 0 || at == std::string::npos) return 1;
  return exif_orientation(bytes.data() + at + 6, bytes.size() - at - 6);
}

void ignore_exif(PromptRequest& r) {
  for (Image& image : r.images) {
    if (image.name.empty()) continue;
    const std::string name = image.name;
    image = apply_orientation(std::move(image), opposite(jpeg_orientation(name)));
    image.name = name;
  }
}

// ---- numbers

void normalise_with(PromptRequest& r, std::array<float, 3> mean, std::array<float, 3> std) {
  for (ImageConfig* c : {&r.processor.image, &r.processor.video}) c->mean = mean, c->std = std;
}

void never_rescaled(PromptRequest& r) {
  for (ImageConfig* c : {&r.processor.image, &r.processor.video}) {
    for (float& x : c->mean) x /= 255;
    for (float& x : c->std) x /= 255;
  }
}

void stills_count_once(PromptRequest& r) {
  ImageConfig& c = r.processor.image;
  c.min_volume *= c.temporal_patch_size;
  c.max_volume *= c.temporal_patch_size;
}

// ---- rows of patches

/// Every row of pixels rewritten: new column c is old column from(c).
void reorder_columns(const Tensor& pixels, const std::function<int64_t(int64_t)>& from) {
  if (!pixels) return;
  const int64_t width = pixels.view.dim[1];
  for (int64_t p = 0; p < pixels.view.dim[0]; ++p) {
    float* row = pixels.data<float>() + p * width;
    const std::vector<float> old(row, row + width);
    for (int64_t c = 0; c < width; ++c) row[c] = old[static_cast<size_t>(from(c))];
  }
}

/// Columns are (channel, time, pixel). -> (time, pixel, channel)
void channels_last(Prompt& p, const PromptRequest& r) {
  const int64_t slots = r.processor.image.temporal_patch_size;
  const int64_t plane = r.processor.image.patch_size * r.processor.image.patch_size;
  const auto from = [&](int64_t c) { return (c % 3 * slots + c / 3 / plane) * plane + c / 3 % plane; };
  reorder_columns(p.pixel_values, from), reorder_columns(p.pixel_values_videos, from);
}

/// -> (time, channel, pixel)
void time_first(Prompt& p, const PromptRequest& r) {
  const int64_t slots = r.processor.image.temporal_patch_size;
  const int64_t plane = r.processor.image.patch_size * r.processor.image.patch_size;
  const auto from = [&](int64_t c) {
    const int64_t slot = c / plane / 3, channel = c / plane % 3;
    return (channel * slots + slot) * plane + c % plane;
  };
  reorder_columns(p.pixel_values, from), reorder_columns(p.pixel_values_videos, from);
}

void second_slot_empty(Prompt& p, const PromptRequest& r) {
  if (!p.pixel_values) return;
  const int64_t slots = r.processor.image.temporal_patch_size, width = p.pixel_values.view.dim[1];
  const int64_t plane = r.processor.image.patch_size * r.processor.image.patch_size;
  for (int64_t i = 0; i < p.pixel_values.view.size(); ++i) {
    if (i % width / plane % slots != 0) p.pixel_values.data<float>()[i] = 0;
  }
}

/// Line by line over the picture instead of 2x2 block by 2x2 block.
void raster_rows(const Tensor& pixels, const std::vector<Grid>& grids, int64_t merge) {
  if (!pixels) return;
  const PatchPositions at = patch_positions(grids, merge);
  Tensor old(DType::f32, pixels.view);
  convert(pixels.view, old.view);
  for (size_t f = 0; f + 1 < at.cu_frames.size(); ++f) {
    for (auto p = static_cast<size_t>(at.cu_frames[f]); p < static_cast<size_t>(at.cu_frames[f + 1]); ++p) {
      const int64_t to = at.cu_frames[f] + at.y[p] * at.w[p] + at.x[p], from = static_cast<int64_t>(p);
      convert(slice(old.view, 0, from, from + 1), slice(pixels.view, 0, to, to + 1));
    }
  }
}

void patches_in_raster(Prompt& p, const PromptRequest& r) {
  raster_rows(p.pixel_values, p.image_grids, r.processor.image.merge_size);
  raster_rows(p.pixel_values_videos, p.video_grids, r.processor.video.merge_size);
}

// ---- clips

void frames_alone(PromptRequest& r) {
  for (Clip& clip : r.clips) {
    Clip alone = clip;
    alone.frames.clear(), alone.seconds.clear();
    for (size_t i = 0; i < clip.frames.size(); ++i) {
      for (int64_t slot = 0; slot < r.processor.video.temporal_patch_size; ++slot) {
        alone.frames.push_back(clip.frames[i]);
        if (i < clip.seconds.size()) alone.seconds.push_back(clip.seconds[i]);
      }
    }
    clip = std::move(alone);
  }
}

void first_clip_again(PromptRequest& r) {
  for (Clip& clip : r.clips) clip = Clip(r.clips[0]);
}

void first_times_again(PromptRequest& r) {
  for (Clip& clip : r.clips) clip.seconds = std::vector<double>(r.clips[0].seconds);
}

void change_times(PromptRequest& r, const std::function<double(const std::vector<double>&, size_t)>& f) {
  for (Clip& clip : r.clips) {
    const std::vector<double> old = clip.seconds;
    for (size_t i = 0; i < old.size(); ++i) clip.seconds[i] = f(old, i);
  }
}

void other_style(PromptRequest& r) {
  TimestampStyle& style = r.processor.timestamps;
  style = style == TimestampStyle::whole_seconds ? TimestampStyle::tenths_seconds : TimestampStyle::whole_seconds;
}

// ---- token ids

/// Other ids; positions that fit their number, which nobody reads here.
void set_ids(Prompt& p, std::vector<int64_t> ids, const ModelConfig& config) {
  p.ids = std::move(ids);
  p.types = token_types(p.ids, config);
  p.positions = {};
  for (size_t t = 0; t < p.ids.size(); ++t) {
    const auto at = static_cast<int32_t>(t);
    p.positions.of_token.push_back({at, at, at});
  }
}

/// Runs of n placeholders become runs of count(n).
void change_runs(Prompt& p, const PromptRequest& r, const std::function<int64_t(int64_t)>& count) {
  const int64_t placeholder = r.processor.config.image_token_id;
  std::vector<int64_t> ids;
  for (size_t t = 0; t < p.ids.size();) {
    size_t end = t;
    while (end < p.ids.size() && p.ids[end] == placeholder) ++end;
    if (end > t) {
      ids.insert(ids.end(), static_cast<size_t>(count(static_cast<int64_t>(end - t))), placeholder);
    } else {
      ids.push_back(p.ids[end++]);
    }
    t = end;
  }
  set_ids(p, std::move(ids), r.processor.config);
}

void unmerged_runs(Prompt& p, const PromptRequest& r) {
  const int64_t cells = r.processor.image.merge_size * r.processor.image.merge_size;
  change_runs(p, r, [&](int64_t n) { return n * cells; });
}

void clips_keep_their_token(Prompt& p, const PromptRequest& r) {
  std::vector<int64_t> ids = p.ids;
  for (size_t t = 0; t < ids.size(); ++t) {
    if (p.types[t] == 2) ids[t] = r.processor.config.video_token_id;
  }
  set_ids(p, std::move(ids), r.processor.config);
}

/// How many ids the template's fixed start has.
size_t prefix_length(const Prompt& p, const PromptRequest& r) {
  const std::vector<int64_t> prefix = r.processor.tokenizer.encode("[gMASK]<sop>");
  const bool there = p.ids.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), p.ids.begin());
  return there ? prefix.size() : 0;
}

void without_prefix(Prompt& p, const PromptRequest& r) {
  set_ids(p, {p.ids.begin() + static_cast<std::ptrdiff_t>(prefix_length(p, r)), p.ids.end()}, r.processor.config);
}

void prefix_twice(Prompt& p, const PromptRequest& r) {
  std::vector<int64_t> ids(p.ids.begin(), p.ids.begin() + static_cast<std::ptrdiff_t>(prefix_length(p, r)));
  ids.insert(ids.end(), p.ids.begin(), p.ids.end());
  set_ids(p, std::move(ids), r.processor.config);
}

void drop_pictures(PromptRequest& r) {
  r.images.clear();
  for (Message& m : r.messages)
    std::erase_if(m.content, [](const ContentPart& part) { return part.kind == ContentPart::Kind::image; });
}

void media_behind_text(PromptRequest& r) {
  for (Message& m : r.messages) {
    std::stable_partition(m.content.begin(), m.content.end(),
                          [](const ContentPart& part) { return part.kind == ContentPart::Kind::text; });
  }
}

void other_template(PromptRequest& r) {
  ChatTemplate& t = r.processor.chat_template;
  t = t == ChatTemplate::glm41v ? ChatTemplate::glm45v : ChatTemplate::glm41v;
}

constexpr const char* kImageHeader = "data/image.h";
constexpr const char* kPromptHeader = "reference/model/prompt.h";
constexpr const char* kChatHeader = "data/chat.h";

std::vector<Mistake> pixel_mistakes() {
  const auto entry = [](const char* name, const char* wrong, const char* right, const char* source,
                        void (*request)(PromptRequest&), void (*processed)(Prompt&, const PromptRequest&) = nullptr,
                        bool resamples = false) {
    Mistake m{name, 1, "pixel_values", wrong, right, source};
    m.request = request, m.processed = processed, m.resamples = resamples;
    return m;
  };
  const char* bicubic = "antialiased bicubic with A = -0.5, bytes between the passes";
  const char* resize_issue = "https://github.com/ggml-org/llama.cpp/pull/27594";
  return {
      entry("resize=bilinear", "pictures are resized with an antialiased bilinear filter", bicubic, resize_issue,
            resize_by<Filter::bilinear, true>, nullptr, true),
      entry("resize=no_antialias", "pictures are resized with a bicubic filter that does not widen when they shrink",
            bicubic, "https://github.com/ggml-org/llama.cpp/pull/16878", resize_by<Filter::bicubic, false>, nullptr,
            true),
      entry("resize=bilinear_no_antialias", "pictures are resized bilinearly from two pixels per axis", bicubic,
            "https://github.com/ggml-org/llama.cpp/pull/17577", resize_by<Filter::bilinear, false>, nullptr, true),
      entry("resize=lanczos", "pictures are resized with a Lanczos filter", bicubic, resize_issue,
            resize_by<Filter::lanczos, true>, nullptr, true),
      entry("resize=nearest", "pictures are resized by taking the nearest pixel", bicubic, resize_issue,
            resize_by<Filter::nearest, false>, nullptr, true),
      entry(
          "resize=padded", "the aspect ratio is kept and the rest padded with black",
          "height and width are scaled each by its own factor, nothing is padded", kImageHeader,
          [](PromptRequest& r) { resize_first(r, letterbox); }, nullptr, true),
      entry(
          "image_backend=pillow", "pictures go Pillow's way, as before transformers 5",
          "torchvision's: weights of 15 bits, rescaling and normalising in one step", kImageHeader,
          [](PromptRequest& r) { r.processor.image.backend = ImageBackend::pillow; }, nullptr, false),
      entry("channels=bgr", "blue and red are exchanged", "channels are red, green, blue", kImageHeader,
            swap_red_and_blue),
      entry("normalise=half", "mean and deviation are 0.5 for every channel",
            "those of preprocessor_config.json, CLIP's", kImageHeader,
            [](PromptRequest& r) {
              normalise_with(r, {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f});
            }),
      entry("normalise=imagenet", "mean and deviation are ImageNet's", "those of preprocessor_config.json, CLIP's",
            kImageHeader,
            [](PromptRequest& r) {
              normalise_with(r, {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f});
            }),
      entry("normalise=omitted", "bytes are only divided by 255",
            "then the mean is taken off and divided by the deviation", kImageHeader,
            [](PromptRequest& r) {
              normalise_with(r, {0, 0, 0}, {1, 1, 1});
            }),
      entry("rescale=omitted", "bytes are normalised without being divided by 255", "bytes are divided by 255 first",
            kImageHeader, never_rescaled),
      entry("patch_rows=raster", "rows of patches go line by line over the picture",
            "2x2 block by 2x2 block, the four patches of a merged token side by side", kImageHeader, nullptr,
            patches_in_raster),
      entry("patch_columns=channels_last", "a patch's numbers are ordered time, y, x, channel", "channel, time, y, x",
            kImageHeader, nullptr, channels_last),
      entry("patch_columns=time_first", "a patch's numbers are ordered time, channel, y, x", "channel, time, y, x",
            kImageHeader, nullptr, time_first),
      entry("still=one_slot", "the second of the two time slots of a still is zero", "both slots hold the still",
            kImageHeader, nullptr, second_slot_empty),
      entry("exif=ignored", "a JPEG's EXIF orientation is not applied", "pictures are turned as EXIF says",
            kImageHeader, ignore_exif),
      entry("pixel_budget=one_frame", "limits of size count a still as one frame",
            "a still counts as two frames when its volume is limited", kImageHeader, stills_count_once),
      entry("size=cut_down", "sides are cut down to a multiple of one merged patch",
            "sides are rounded to the nearest multiple, halves to the even one", kImageHeader, cut_sides),
      entry("size=fixed_square", "pictures are resized to the square of the position table",
            "the size follows the picture, within limits of volume", kImageHeader, fixed_square),
  };
}

std::vector<Mistake> clip_mistakes() {
  const auto entry = [](const char* name, int stage, const char* point, const char* wrong, const char* right,
                        const char* source, void (*request)(PromptRequest&)) {
    Mistake m{name, stage, point, wrong, right, source};
    m.request = request;
    return m;
  };
  const char* ids = "input_ids";
  const char* first_issue = "https://github.com/hiyouga/LlamaFactory/pull/10837";
  const char* pairs = "the time of the first frame of each pair is written behind it";
  return {
      entry("clips=first_again", 1, "pixel_values_videos", "every clip is the first one again, with its times",
            "each clip brings its own frames and times", first_issue, first_clip_again),
      entry("clip_frames=alone", 1, "pixel_values_videos", "every frame fills both time slots by itself",
            "two neighbouring frames share a patch", kImageHeader, frames_alone),
      entry("timestamps=first_clips", 2, ids, "every clip has the times of the first one",
            "each clip has its own times", first_issue, first_times_again),
      entry("timestamps=other_style", 2, ids,
            "times are written as another release does: 0.0 seconds instead of 0, or the reverse",
            "GLM-4.5V and GLM-4.1V write whole seconds, GLM-4.6V tenths with the unit", kPromptHeader, other_style),
      entry("timestamps=frame_numbers", 2, ids, "the number of the sampled frame stands where its time belongs", pairs,
            kPromptHeader,
            [](PromptRequest& r) { change_times(r, [](const auto&, size_t i) { return static_cast<double>(i); }); }),
      entry("timestamps=every_frame", 2, ids, "pair k has the time of frame k instead of frame 2k", pairs,
            kPromptHeader,
            [](PromptRequest& r) {
              change_times(r, [](const std::vector<double>& old, size_t i) { return old[i / 2]; });
            }),
      entry("timestamps=second_frame", 2, ids, "pairs have the time of their second frame", pairs, kPromptHeader,
            [](PromptRequest& r) {
              change_times(
                  r, [](const std::vector<double>& old, size_t i) { return old[std::min(i | 1, old.size() - 1)]; });
            }),
      entry("timestamps=zero", 2, ids, "every time is 0, as when the clip's metadata is lost", pairs,
            "https://github.com/huggingface/transformers/pull/40696",
            [](PromptRequest& r) { change_times(r, [](const auto&, size_t) { return 0.0; }); }),
  };
}

std::vector<Mistake> token_mistakes() {
  const auto entry = [](const char* name, const char* wrong, const char* right, const char* source,
                        void (*request)(PromptRequest&), void (*processed)(Prompt&, const PromptRequest&) = nullptr) {
    Mistake m{name, 2, "input_ids", wrong, right, source};
    m.request = request, m.processed = processed;
    return m;
  };
  const char* count = "one placeholder per merged token: height x width / 4 of the grid";
  return {
      entry("pictures=dropped", "the question is asked without its pictures",
            "every picture part becomes a run of placeholders", "https://github.com/sgl-project/sglang/issues/39831",
            drop_pictures),
      entry("placeholders=unmerged", "one placeholder per patch", count, kPromptHeader, nullptr, unmerged_runs),
      entry("placeholders=one", "one placeholder per picture", count, kPromptHeader, nullptr,
            [](Prompt& p, const PromptRequest& r) { change_runs(p, r, [](int64_t) { return 1; }); }),
      entry("placeholders=one_more", "each run of placeholders has one too many", count, kPromptHeader, nullptr,
            [](Prompt& p, const PromptRequest& r) { change_runs(p, r, [](int64_t n) { return n + 1; }); }),
      entry("placeholders=video_token", "clips keep the video token as their placeholder",
            "patches of clips use the image token too", "https://github.com/vllm-project/vllm/pull/33039", nullptr,
            clips_keep_their_token),
      entry("template=no_prefix", "the prompt does not start with [gMASK]<sop>", "it does, once", kChatHeader, nullptr,
            without_prefix),
      entry("template=prefix_twice", "[gMASK]<sop> is put before a prompt that already starts with it",
            "it comes from the template only", kChatHeader, nullptr, prefix_twice),
      entry("template=no_generation_prompt", "the prompt ends before the assistant's turn",
            "the assistant's turn is opened at the end", kChatHeader,
            [](PromptRequest& r) { r.options.add_generation_prompt = false; }),
      entry("template=thinking", "thinking is switched on where it was off, or off where it was on",
            "as it was asked for; /nothink and an empty block switch it off", kChatHeader,
            [](PromptRequest& r) { r.options.enable_thinking = !r.options.enable_thinking; }),
      entry("template=other_family", "the prompt is rendered with the other family's template",
            "GLM-4.5V and GLM-4.1V have different templates", kChatHeader, other_template),
      entry("template=no_system", "system messages are dropped", "they are rendered first", kChatHeader,
            [](PromptRequest& r) { std::erase_if(r.messages, [](const Message& m) { return m.role == "system"; }); }),
      entry("template=media_behind_text", "pictures and clips stand behind the text of their message",
            "parts stay in their order", kChatHeader, media_behind_text),
  };
}

}  // namespace

std::vector<Mistake> input_mistakes() {
  std::vector<Mistake> all;
  for (std::vector<Mistake> (*part)() : {pixel_mistakes, clip_mistakes, token_mistakes}) {
    for (Mistake& m : part()) all.push_back(std::move(m));
  }
  return all;
}

}  // namespace glmv
