// crosscheck --endpoint: what a server reveals against the local truth.
#pragma once

#include <string>

#include "cli/flags.h"

namespace glmv::cli {

struct EndpointCheckFlags {
  std::string endpoint, model_name, key_variable = "OPENAI_API_KEY";
  int64_t tokens = 16;
  double timeout_s = 120;  ///< of one request
};

/// Asks, compares, prints. The exit code: 1 if something differs, 77 if nothing was revealed.
int check_endpoint(const EndpointCheckFlags& flags, const std::string& model, const PromptFlags& prompt, bool json,
                   const std::string& output);

}  // namespace glmv::cli
