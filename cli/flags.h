// Flags that several verbs share, and what they turn into.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "data/messages.h"
#include "reference/model/glm4v.h"

namespace glmv::cli {

/// --model, with the embedded tiny model as default.
void add_model(CLI::App& verb, std::string& model);

/// --dtype, --backend, --threads.
struct RunFlags {
  std::string dtype = "f32", backend = "cpu";
  int threads = 0;

  void add(CLI::App& verb, bool with_dtype = true);
  DType activation() const;
  /// Sets the thread count; Error (exit code 5) if the backend is absent.
  const Backend& use() const;
};

/// --image, --video, --fps, --prompt, --system, --no-think, or --messages with a conversation, or --inputs with
/// recorded ones.
struct PromptFlags {
  std::vector<std::string> images, videos;
  double fps = 2;
  std::string prompt, system, messages, inputs;
  bool no_think = false;

  void add(CLI::App& verb, bool with_inputs);
  /// True if flags say what to ask.
  bool given() const { return asked() || !messages.empty(); }
  /// The messages and paths of media that the flags amount to. Error: 2 for contradicting flags.
  Conversation conversation() const;
  /// Reads the media and makes the prompt. Error: 2 for contradicting flags, 3 for unreadable media.
  Prompt make(const Processor& processor) const;
  /// From --inputs if given, else make() with the processor of `dir`.
  Prompt load(const std::string& dir, const ModelConfig& config) const;

 private:
  /// True if the flags of a single question are there.
  bool asked() const { return !prompt.empty() || !system.empty() || !images.empty() || !videos.empty(); }
};

/// A clip from a folder of frames, in name order, the first at second 0.
Clip read_frames(const std::string& folder, double frames_per_second);

}  // namespace glmv::cli
