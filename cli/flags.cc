#include "cli/flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iostream>

#include "crosscheck/mistakes.h"
#include "crosscheck/theirs.h"
#include "data/utf8.h"
#include "reference/backends.h"
#include "reference/core/parallel.h"

namespace glmv::cli {

void add_model(CLI::App& verb, std::string& model) {
  model = GLMV_DEFAULT_MODEL;
  verb.add_option("-m,--model", model, "snapshot directory, or org/name[@revision] in the local Hugging Face cache")
      ->capture_default_str();
}

namespace {

/// The whole text as a number, or nothing.
template <class T>
std::optional<T> number_of(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

CLI::Validator between(double least, double most) {
  const std::string range = fmt::format("from {} to {}", least, most);
  const auto check = [=](const std::string& text) {
    const std::optional<double> value = number_of<double>(text);
    return value && *value >= least && *value <= most ? "" : concat(text, ": a number ", range, " is wanted");
  };
  return CLI::Validator(check, range, "between");
}

CLI::Validator not_empty() {
  return CLI::Validator([](const std::string& text) { return text.empty() ? "a name is wanted" : ""; }, "");
}

CLI::Validator unsigned_number(uint64_t most) {
  const auto check = [=](const std::string& text) {
    const std::optional<uint64_t> value = number_of<uint64_t>(text);
    return value && *value <= most ? "" : concat(text, ": a whole number from 0 to ", most, " is wanted");
  };
  return CLI::Validator(check, "from 0", "unsigned_number");
}

CLI::Validator whole_number() {
  const auto check = [](const std::string& text) {
    return number_of<int64_t>(text) ? "" : concat(text, ": a whole number of at most 64 bits is wanted");
  };
  return CLI::Validator(check, "", "whole_number");
}

void RunFlags::add(CLI::App& verb, bool with_dtype) {
  if (with_dtype) {
    verb.add_option("--dtype", dtype, "arithmetic: f32, bf16 (rounds where Hugging Face's model does), f64 (gold)")
        ->check(CLI::IsMember({"f32", "bf16", "f64"}))
        ->capture_default_str();
  }
  verb.add_option("--backend", backend, "a backend that `glmv info` lists as built")->capture_default_str();
  verb.add_option("--threads", threads, "CPU threads; 0 = all cores")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
}

DType RunFlags::activation() const { return dtype == "bf16" ? DType::bf16 : dtype == "f64" ? DType::f64 : DType::f32; }

const Backend& RunFlags::use() const {
  if (threads > 0) set_thread_count(threads);
  return find_backend(backend);
}

void PromptFlags::add(CLI::App& verb, bool with_inputs) {
  verb.add_option("--image", images, "a picture (PNG, JPEG, WebP, BMP, GIF); may be repeated");
  verb.add_option("--video", videos,
                  "a clip: a video file, or a folder of frames, all files in it but hidden ones, in name order; may be "
                  "repeated");
  verb.add_option("--fps", fps, "frames per second that are taken of a video file, or that a folder holds")
      ->check(between(1e-3, 1e6))
      ->default_str("2");
  verb.add_option("--image-backend", image_backend,
                  "whose pixels: torchvision (transformers 5), pillow (its fallback; the default before), pillow-12 "
                  "(Pillow before 13)")
      ->check(CLI::IsMember({"torchvision", "pillow", "pillow-12"}))
      ->default_str("torchvision");
  verb.add_option("--min-pixels", min_pixels,
                  "pictures grow to this volume, height x width x 2 as a still counts; the configuration's "
                  "size.shortest_edge if not given")
      ->check(whole_number());
  verb.add_option("--max-pixels", max_pixels, "pictures shrink to this volume; size.longest_edge if not given")
      ->check(whole_number());
  verb.add_option("-p,--prompt", prompt, "the question; pictures and clips stand before it");
  verb.add_option("--system", system, "a system message");
  verb.add_option("--messages", messages,
                  "a conversation (JSON: role and content of each message) instead of --prompt");
  verb.add_flag("--no-think", no_think, "ask for an answer without reasoning");
  verb.add_option("--chat-template", chat_template, "render with this model's template; auto = the snapshot's own")
      ->check(CLI::IsMember({"auto", "glm45v", "glm46v", "glm41v"}))
      ->capture_default_str();
  if (!with_inputs) return;
  CLI::Option* from = verb.add_option("--inputs", inputs, "recorded inputs (a trace) instead of pictures and prompt");
  verb.add_option("--map", maps, "PATTERN=REPLACEMENT: rewrites names of the recorded inputs; may be repeated")
      ->needs(from);
}

Media read_media(const Conversation& c, const Processor& processor, std::optional<double> fps) {
  Media media;
  for (const std::string& path : c.images) media.pictures.push_back(read_image(path, processor.image.backend));
  for (const std::string& path : c.videos) {
    media.clips.push_back(read_clip(path, processor.video, fps));
    const std::string& warning = media.clips.back().warning;
    if (!warning.empty()) std::cerr << "glmv: warning: " << path << ": " << warning << '\n';
  }
  return media;
}

int64_t tokens_with_room(int64_t wanted, const char* flag, const Prompt& prompt, const ModelConfig& config) {
  const auto have = static_cast<int64_t>(prompt.ids.size()), most = config.text.max_position_embeddings;
  const int64_t room = std::max<int64_t>(1, most - have);
  if (wanted <= room) return wanted;
  std::cerr << "glmv: warning: " << have << " prompt tokens and " << flag << ' ' << wanted << " are more than the "
            << most << " positions of the model (max_position_embeddings); stops after " << room << '\n';
  return room;
}

namespace {

/// JSON files are checked when they are parsed; a shell passes on any bytes.
void check_utf8(const char* flag, const std::string& text) {
  const size_t wrong = utf8_first_error(text);
  if (wrong != std::string::npos) input_error(flag, ": not UTF-8: byte ", wrong, " of the text does not belong there");
}

}  // namespace

Conversation PromptFlags::conversation() const {
  if (!messages.empty()) {
    if (asked())
      usage_error("--messages holds the whole conversation: leave out --prompt, --system, --image and --video");
    return read_messages(messages);
  }
  if (prompt.empty()) usage_error("--prompt is missing or empty");
  check_utf8("--prompt", prompt);
  check_utf8("--system", system);
  Conversation out{{}, images, videos};
  if (!system.empty()) out.messages.push_back({"system", {{ContentPart::Kind::text, system}}, {}});
  Message user{"user", {}, {}};
  user.content.resize(images.size(), {ContentPart::Kind::image, ""});
  user.content.resize(images.size() + videos.size(), {ContentPart::Kind::video, ""});
  user.content.push_back({ContentPart::Kind::text, prompt});
  out.messages.push_back(std::move(user));
  return out;
}

Processor PromptFlags::processor(const std::string& dir) const {
  std::optional<ChatTemplate> named;
  if (chat_template == "glm45v") named = ChatTemplate::glm45v;
  if (chat_template == "glm46v") named = ChatTemplate::glm46v;
  if (chat_template == "glm41v") named = ChatTemplate::glm41v;
  Processor p = Processor::open(dir, named);
  if (!image_backend.empty()) p.image.backend = glmv::image_backend(image_backend);
  set_volumes(p.image, min_pixels, max_pixels);
  return p;
}

ChatOptions PromptFlags::chat_options(const Processor& processor, const Conversation& c) const {
  if (no_think && processor.chat_template == ChatTemplate::glm41v)
    usage_error("--no-think: GLM-4.1V's template has no such switch (generate has --thinking-budget 0)");
  ChatOptions options;
  options.enable_thinking = !no_think;
  options.tools = c.tools;
  return options;
}

std::string PromptFlags::rendered(const Processor& processor) const {
  const Conversation c = conversation();
  ChatOptions options = chat_options(processor, c);
  options.chat_template = processor.chat_template;
  return render_chat(c.messages, options);
}

PromptRequest PromptFlags::request(const Processor& processor) const {
  const Conversation c = conversation();
  if (c.images.empty() && (!image_backend.empty() || min_pixels || max_pixels)) {
    usage_error("--image-backend, --min-pixels and --max-pixels: there is no --image");
  }
  if (fps && c.videos.empty()) usage_error("--fps ", *fps, ": there is no --video");
  Media media = read_media(c, processor, fps);
  return {processor, c.messages, chat_options(processor, c), std::move(media.pictures), std::move(media.clips)};
}

Prompt PromptFlags::make(const Processor& processor) const {
  const PromptRequest asked = request(processor);
  try {
    return make_prompt(asked);
  } catch (const Error& e) {
    throw Error(e.code(), concat(messages.empty() ? "--prompt" : messages, ": ", e.what()));
  }
}

/// Read as a cross-check would read it: a batch axis of one and ids as i32 are fine.
Prompt PromptFlags::recorded(const ModelConfig& config) const {
  const Theirs trace = theirs_from(SafetensorsFile::open(inputs), NameRules(maps, ""));
  Prompt prompt = prompt_from_trace(trace.points, inputs, config);
  const auto backend = trace.metadata.find("image_backend");
  prompt.image_backend = backend == trace.metadata.end() ? "unknown" : backend->second;
  return prompt;
}

Prompt PromptFlags::load(const std::string& dir, const ModelConfig& config) const {
  if (!inputs.empty() && given()) {
    usage_error(
        "--inputs already holds a prompt: leave out --prompt, --messages, --system, --image, --video, --fps, "
        "--image-backend, --min-pixels, --max-pixels, --no-think and --chat-template");
  }
  Prompt prompt = inputs.empty() ? make(processor(dir)) : recorded(config);
  const auto have = static_cast<int64_t>(prompt.ids.size()), most = config.text.max_position_embeddings;
  if (have > most) {
    input_error(inputs.empty() ? messages.empty() ? "--prompt" : messages : inputs, ": the prompt has ", have,
                " tokens, the model has ", most, " positions (max_position_embeddings)");
  }
  return prompt;
}

}  // namespace glmv::cli
