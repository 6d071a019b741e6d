// Every published scoring rule by its id: the one door through which runs, importers and `glmv score` score.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace glmv {

struct AlgorithmInfo {
  std::string id;       ///< "mc_can_infer"
  std::string meaning;  ///< one line
  std::string source;   ///< whose behaviour it is: "VLMEvalKit", "lmms-eval", "authors", "report", "glmv"
};

/// All rules there are, in the order of their families.
std::vector<AlgorithmInfo> algorithms();

/// Scores one input. Fields and outputs of each id: eval/README.md. A null output means "not inferable" or "rejected";
/// numbers that are not finite come back as they are. Safe to call from several threads.
/// Errors   usage (2) for an id that does not exist; bad_input (3), naming rule, field and value, for an input that
///          lacks a field, holds one of the wrong kind or text that is not UTF-8, and for a text that a regular
///          expression cannot be matched against within its limits
nlohmann::json run_algorithm(std::string_view id, const nlohmann::json& input);

}  // namespace glmv
