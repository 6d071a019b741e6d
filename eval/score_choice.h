// Which option a reply chooses: the letter matchers of the toolkits, each under its own name because they disagree.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glmv {

/// (letter, text of the option) in the order of the letters
using Options = std::vector<std::pair<std::string, std::string>>;

/// VLMEvalKit: a letter that stands alone, else "answer is X", else the one option whose text occurs. "Z" for a
/// refusal.
std::optional<std::string> mc_can_infer(std::string_view prediction, const Options& options);

/// VLMEvalKit, Video-MME: the first capital A-D behind the removed prefixes; "" if there is none.
std::string videomme_first_letter(std::string_view prediction);

/// VLMEvalKit, TreeBench: the first capital A-E, else the first "(X)" that contains the reply.
std::string treebench_first_letter(std::string_view prediction);

/// lmms-eval: every form of a letter, the form of highest priority wins, then the later place.
std::string mc_robust_priority(std::string_view response, const std::vector<std::string>& letters);

/// VLMEvalKit, spatial benchmarks: answer tags, the tail of the thinking, the last lines, phrases; letters A-F.
std::optional<std::string> mc_tail_match(std::string_view prediction);

/// lmms-eval, OmniSpatial: the last "Answer: X"; "A" if there is none.
std::string omnispatial_re(std::string_view prediction);

/// lmms-eval, BLINK: the letter a reply begins with.
std::string blink_leading_letter(std::string_view prediction);

/// LVBench's script: what stands in the first round brackets, its first character.
std::string lvbench_polish(std::string_view answer);

/// lmms-eval, MotionBench: first A-F of the upper-cased reply, words included.
std::string motionbench_letter(std::string_view prediction);

/// VLMEvalKit, MVBench: is the reply's first token part of the gold, or the gold's letter part of it?
bool mvbench_check_ans(std::string_view prediction, std::string_view answer);

/// lmms-eval, MVBench: both sides reduced to a letter or a cleaned text, then compared.
bool mvbench_mcq_acc(std::string_view prediction, std::string_view answer);

/// lmms-eval, MMVU.
bool mmvu_rule(bool multiple_choice, std::string_view answer, const Options& choices, std::string_view prediction);

/// VLMEvalKit, MMMU-Pro with reasoning: the tail of the last "Answer:" line.
std::string mmmu_pro_cot_postproc(std::string_view response);

/// VLMEvalKit, We-Math without a judge: the character behind the last "Answer".
std::optional<std::string> wemath_letter_rule(std::string_view prediction);

}  // namespace glmv
