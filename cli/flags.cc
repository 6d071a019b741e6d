#include "cli/flags.h"

#include <algorithm>
#include <filesystem>

#include "reference/backends.h"
#include "reference/core/parallel.h"

namespace glmv::cli {
namespace fs = std::filesystem;

void add_model(CLI::App& verb, std::string& model) {
  model = GLMV_DEFAULT_MODEL;
  verb.add_option("-m,--model", model, "snapshot directory, or org/name[@revision] in the local Hugging Face cache")
      ->capture_default_str();
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
  verb.add_option("--video", videos, "a clip: a folder of frames, taken in name order; may be repeated");
  verb.add_option("--fps", fps, "frames per second of every --video folder")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb.add_option("-p,--prompt", prompt, "the question; pictures and clips stand before it");
  verb.add_option("--system", system, "a system message");
  verb.add_option("--messages", messages,
                  "a conversation (JSON: role and content of each message) instead of --prompt");
  verb.add_flag("--no-think", no_think, "ask for an answer without reasoning");
  if (with_inputs) verb.add_option("--inputs", inputs, "recorded inputs (a trace) instead of pictures and prompt");
}

Clip read_frames(const std::string& folder, double frames_per_second) {
  constexpr double kSlowest = 1e-3, kFastest = 1e6;
  if (!(frames_per_second >= kSlowest && frames_per_second <= kFastest)) {
    usage_error("--fps is ", frames_per_second, ", between 0.001 and 1000000 is wanted");
  }
  if (!fs::exists(folder)) input_error(folder, ": no such folder of frames");
  if (!fs::is_directory(folder))
    usage_error(folder, ": a clip is given as a folder of frames; video files are not read");
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  if (files.empty()) input_error(folder, ": no frames in it");
  Clip clip;
  for (const std::string& file : files) {
    clip.frames.push_back(read_image(file));
    clip.seconds.push_back(static_cast<double>(clip.seconds.size()) / frames_per_second);
  }
  return clip;
}

Conversation PromptFlags::conversation() const {
  if (!messages.empty()) {
    if (asked())
      usage_error("--messages holds the whole conversation: leave out --prompt, --system, --image and --video");
    return read_messages(messages);
  }
  if (prompt.empty()) usage_error("--prompt is missing or empty");
  Conversation out{{}, images, videos};
  if (!system.empty()) out.messages.push_back({"system", {{ContentPart::Kind::text, system}}, {}});
  Message user{"user", {}, {}};
  user.content.resize(images.size(), {ContentPart::Kind::image, ""});
  user.content.resize(images.size() + videos.size(), {ContentPart::Kind::video, ""});
  user.content.push_back({ContentPart::Kind::text, prompt});
  out.messages.push_back(std::move(user));
  return out;
}

Prompt PromptFlags::make(const Processor& processor) const {
  const Conversation c = conversation();
  std::vector<Image> pictures;
  std::vector<Clip> clips;
  for (const std::string& path : c.images) pictures.push_back(read_image(path));
  for (const std::string& folder : c.videos) clips.push_back(read_frames(folder, fps));
  ChatOptions options;
  options.enable_thinking = !no_think;
  return make_prompt(processor, c.messages, options, pictures, clips);
}

Prompt PromptFlags::load(const std::string& dir, const ModelConfig& config) const {
  if (inputs.empty()) return make(Processor::open(dir));
  if (given()) {
    usage_error("--inputs already holds a prompt: leave out --prompt, --messages, --system, --image and --video");
  }
  const SafetensorsFile trace = SafetensorsFile::open(inputs);
  return prompt_from_trace(trace.tensors(), inputs, config);
}

}  // namespace glmv::cli
