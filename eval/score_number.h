// Relaxed numeric accuracy: ChartQA's rule and ChartQAPro's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace glmv {

/// Within 5 % of a gold that is a number and not 0, a trailing percent sign dividing by 100; else equal without case.
bool relaxed_accuracy(std::string_view target, std::string_view prediction);

struct ChartqaproRow {
  std::vector<std::string> answers;  ///< of all turns; the last counts
  std::string question_type;
  std::vector<std::string> year;  ///< "YES": this element is compared exactly
};
/// The published script and VLMEvalKit: elements compared one by one, exactly, within 5 %, or by ANLS.
double chartqapro_relaxed(const ChartqaproRow& row, std::string_view prediction);
/// lmms-eval: Fact Checking and Multi Choice exactly.
double chartqapro_relaxed_exact_mc(const ChartqaproRow& row, std::string_view prediction);

}  // namespace glmv
