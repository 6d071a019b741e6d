// What the three ways to generate share: one prompt (generate.cc), a file of prompts (generate_prompts.cc), random
// weights for timing (generate_random.cc).
#pragma once

#include "cli/flags.h"
#include "cli/output.h"
#include "reference/model/generate.h"

namespace glmv::cli {

struct GenerateFlags {
  std::string model, output, prompts, draw;
  RunFlags run;
  PromptFlags prompt;
  GenerationSettings settings;
  int64_t chunk = 0, page_size = 0, batch = 1, layers = 0, prompt_tokens = 64;
  bool ignore_eos = false, json = false, quiet = false, warm_up = false, random_weights = false;
  bool as_configured = false;

  /// Without tokens and sequences.
  SessionOptions session() const;
};

/// Flags of sampling, of where an answer ends, and of what is told about it.
void add_settings(CLI::App& verb, GenerationSettings& settings);

/// --as-configured: what generation_config.json of the snapshot says, where no flag says otherwise. Without it, a line
/// on stderr if the file asks for anything but greedy search and no flag does.
void follow_generation_config(const CLI::App& verb, GenerateFlags& f);

/// What was generated and how and, with a tokenizer, what it says; `no_think`: the prompt asked for no reasoning.
void put_answer(Json& out, const Prompt& prompt, const Generation& g, const GenerationSettings& settings,
                const Tokenizer* tokenizer, bool no_think);
/// The part of an answer that holds its boxes.
const std::string& box_text(const Answer& answer);
Json timings_json(const Timings& t);

int run_prompts(const GenerateFlags& f);
int run_random(const GenerateFlags& f);

}  // namespace glmv::cli
