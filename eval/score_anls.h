// Edit-distance scores and the document rules built on them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace glmv {

struct AnlsDocvqa {
  double distance = 0;  ///< edit distance of squeezed lower-case texts over the longer raw upper-case length
  double score = 0;     ///< 1 - distance, 0 if below one half
};
/// VLMEvalKit.
AnlsDocvqa anls_docvqa(std::string_view groundtruth, std::string_view prediction);

/// PyPI's anls: 1 - distance if the distance is below the threshold, else 0; lengths after squeezing.
double anls_package(std::string_view gold, std::string_view prediction, double threshold);

/// MMLongBench-Doc, VLMEvalKit and the authors. Where their code raises, 0.
double mmlongbench_eval_score(std::string_view answer, std::string_view prediction, std::string_view format);
/// MMLongBench-Doc, lmms-eval.
double mmlongbench_eval_score_lmms(std::string_view answer, std::string_view prediction, std::string_view format);

struct DocumentScore {
  std::string answer, prediction;
  double score = 0;
};
/// Harmonic mean of the mean scores over answerable golds and over answerable predictions (VLMEvalKit); 0 if there is
/// none to form.
double mmlongbench_f1(const std::vector<DocumentScore>& items);
/// The authors divide one sum, that over answerable golds, by both counts.
double mmlongbench_f1_official(const std::vector<DocumentScore>& items);

}  // namespace glmv
