// MMMU and its family: letters and open answers, as the authors and the toolkits parse them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "eval/score_choice.h"

namespace glmv {

/// The letter of a reply; none where the code draws a random one. Options: letter, text in the data set's order.
std::optional<std::string> mmmu_mc_parse(std::string_view response, const Options& options);  ///< lmms-eval
std::optional<std::string> mmmu_mc_parse_official(std::string_view response,
                                                  const Options& options);  ///< MMMU's script

/// VLMEvalKit, Video-MMMU: a letter, "API Error" for an empty reply, "No Answere Found" for none.
std::string videommmu_mc_parse(std::string_view response, const Options& options);

/// A number rounded to two decimals, or lower-cased texts.
using Normalized = std::vector<std::variant<double, std::string>>;
Normalized mmmu_normalize(std::string_view text);

/// Which key phrases the open rule knows.
enum class OpenPhrases {
  eight,  ///< MMMU's own script
  all,    ///< Video-MMMU
};

/// What the open rule reads out of a reply: tails behind key phrases and the numbers in them.
Normalized mmmu_open_parse(std::string_view response, OpenPhrases phrases);
/// Does one of them hold or equal one of the golds?
bool mmmu_open_equal(const Normalized& parsed, const std::vector<std::string>& golds);

}  // namespace glmv
