// Whose chat template a snapshot has.
#pragma once

#include <string>

#include "data/chat.h"
#include "data/config.h"

namespace glmv {

/// The template of DIR/chat_template.jinja, chat_template.json or tokenizer_config.json, the first that is there,
/// recognised by its outline (data/jinja_outline.h): another layout of a known template is known. Without a template
/// in the snapshot it is that of the model: by its processor, else by its family. Error (exit code 2): a template that
/// is none of those known; (exit code 3) a malformed file.
ChatTemplate find_chat_template(const std::string& dir, const ModelConfig& config, const std::string& processor_class);

/// sha256 of a template's outline, hex.
std::string template_fingerprint(const std::string& source);

}  // namespace glmv
