// What the three ways to generate share: one prompt (generate.cc), a file of prompts (generate_prompts.cc), random
// weights for timing (generate_random.cc).
#pragma once

#include "cli/flags.h"
#include "cli/output.h"
#include "reference/model/generate.h"

namespace glmv::cli {

struct GenerateFlags {
  std::string model, output, prompts;
  RunFlags run;
  PromptFlags prompt;
  int64_t max_new_tokens = 128, chunk = 0, page_size = 0, batch = 1, layers = 0, prompt_tokens = 64;
  bool ignore_eos = false, json = false, quiet = false, warm_up = false, random_weights = false;

  /// Without tokens and sequences.
  SessionOptions session() const;
};

/// What was generated and, with a tokenizer, what it says; `no_think`: the prompt asked for no reasoning.
void put_answer(Json& out, const Prompt& prompt, const Generation& g, const Tokenizer* tokenizer, bool no_think);
Json timings_json(const Timings& t);

int run_prompts(const GenerateFlags& f);
int run_random(const GenerateFlags& f);

}  // namespace glmv::cli
