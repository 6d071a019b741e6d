// Flags that several verbs share, and what they turn into.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/messages.h"
#include "reference/model/glm4v.h"

namespace glmv {
struct PromptRequest;  // crosscheck/mistakes.h
}

namespace glmv::cli {

/// --model, with the embedded tiny model as default.
void add_model(CLI::App& verb, std::string& model);

/// A validator for numbers from `least` to `most` (both included, NaN not), with a range that is short to read in
/// --help and in messages. Text that the option's own type would wrap around or cut ("-1" for an unsigned one) is
/// refused.
CLI::Validator between(double least, double most);

/// The same for the whole numbers from 0 to 2^64 - 1.
CLI::Validator unsigned_number(uint64_t most = UINT64_MAX);
/// A whole number that fits 64 bits; what does not is told as it was typed.
CLI::Validator whole_number();

/// For names: "" is refused.
CLI::Validator not_empty();

/// --dtype, --backend, --threads.
struct RunFlags {
  std::string dtype = "f32", backend = "cpu";
  int threads = 0;

  void add(CLI::App& verb, bool with_dtype = true);
  DType activation() const;
  /// Sets the thread count; Error (exit code 5) if the backend is absent.
  const Backend& use() const;
};

/// --image, --video, --fps, --image-backend, --min-pixels, --max-pixels, --prompt, --system, --no-think,
/// --chat-template, or --messages with a conversation, or --inputs with recorded ones, whose names --map rewrites.
struct PromptFlags {
  std::vector<std::string> images, videos, maps;
  std::optional<double> fps;
  std::string prompt, system, messages, inputs;
  std::string chat_template = "auto";
  std::string image_backend;  ///< torchvision if not given
  std::optional<int64_t> min_pixels, max_pixels;
  bool no_think = false;

  void add(CLI::App& verb, bool with_inputs);
  /// True if flags say what to ask.
  bool asks() const { return asked() || !messages.empty(); }
  /// True if any of these flags is there, those that say how to ask too.
  bool given() const {
    return asks() || no_think || fps || chat_template != "auto" || !image_backend.empty() || min_pixels || max_pixels;
  }
  /// The processor of a snapshot, with what --chat-template, --image-backend and the volumes say.
  Processor processor(const std::string& dir) const;
  /// How to render for it. Error (exit code 2): --no-think with a template that has no such switch.
  ChatOptions chat_options(const Processor& processor, const Conversation& conversation) const;
  /// The messages and paths of media that the flags amount to. Error: 2 for contradicting flags.
  Conversation conversation() const;
  /// What the chat template makes of the messages; no medium is read.
  std::string rendered(const Processor& processor) const;
  /// The messages with their media read. Error: 2 for contradicting flags, 3 for unreadable media.
  PromptRequest request(const Processor& processor) const;
  /// The prompt it makes. Errors as above, and those of make_prompt().
  Prompt make(const Processor& processor) const;
  /// From --inputs if given, else make() with the processor of `dir`. Error (exit code 3) for a prompt of more tokens
  /// than the model has positions.
  Prompt load(const std::string& dir, const ModelConfig& config) const;

 private:
  Prompt recorded(const ModelConfig& config) const;
  /// True if the flags of a single question are there.
  bool asked() const { return !prompt.empty() || !system.empty() || !images.empty() || !videos.empty(); }
};

/// How many of the `wanted` tokens after a prompt still have a position, at least one; says on stderr if not all.
int64_t tokens_with_room(int64_t wanted, const char* flag, const Prompt& prompt, const ModelConfig& config);

struct Media {
  std::vector<Image> pictures;
  std::vector<Clip> clips;
};
/// The pictures and clips that a conversation names; `fps` as read_clip() takes it.
Media read_media(const Conversation& conversation, const Processor& processor, std::optional<double> fps);

}  // namespace glmv::cli
