// What a rule looks at: toolkits cut responses in different ways before they score them.
#pragma once

#include <string>
#include <string_view>

namespace glmv::eval {

/// `mode`:
///   whole       the response as it came, reasoning and box tokens included (VLMEvalKit's default)
///   answer      GLM: what follows the last </think>; of that the last box if there is one. Unclosed thinking: ""
///   box         the last box, "" without one
///   after_think what follows the last </think>, stripped
///   lmms_eval   without <think> and <analysis> blocks, as lmms-eval strips them
///   answer_tag  as answer, then the upper-cased content of <answer> if there is one (TreeBench)
/// Error (exit code 2) for any other mode.
std::string reply_for_rule(std::string_view mode, const std::string& response);

/// True if a <think> block was begun and never closed.
bool thinking_is_open(std::string_view response);

}  // namespace glmv::eval
