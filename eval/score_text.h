// Rules on plain texts: punctuation, yes or no, containment, short exact answers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace glmv {

/// The VQA rule: marks deleted or made blanks, then at most 32 periods that have no digit beside them deleted.
std::string process_punctuation(std::string_view text);

/// "Yes" or "No" if one of the words is there and the other is not, else "Unknown".
std::string yes_no_extract(std::string_view prediction);

/// OCRBench: is any gold part of the reply? `formula` ignores blanks and keeps case.
bool ocrbench_contains(std::string_view prediction, const std::vector<std::string>& answers, bool formula);
/// The same with full-width ASCII folded outside formulas (lmms-eval).
bool ocrbench_contains_fullwidth(std::string_view prediction, const std::vector<std::string>& answers, bool formula);

/// SQuAD v1.1: lower case, no ASCII punctuation, no articles, single blanks.
std::string squad_normalize(std::string_view text);

/// WebQuest's paper: integers exact, floats within 5 % of the gold, texts equal once normalised; best over the
/// variants.
bool webquest_relaxed(std::string_view prediction, const std::vector<std::string>& gold_variants);

/// ZeroBench, official: is the gold part of the last {...}?
bool zerobench_contains(std::string_view prediction, std::string_view answer);
/// ZeroBench, lmms-eval: equal as decimals, else as cleaned texts.
bool zerobench_exact(std::string_view prediction, std::string_view answer);

/// lmms-eval, MVBench: the punctuation rule with every period deleted that no digit follows.
std::string process_punctuation_mvbench(std::string_view text);

}  // namespace glmv
