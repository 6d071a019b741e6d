// What can go wrong with a manifest on its data is found before the first request is paid for.
#include "eval/run.h"
#include "eval/steps.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

void rehearse_one(const Benchmark& b, const Frame& frame, const std::map<std::string, JudgePrompt>& judges) {
  const Sample& sample = b.samples[0];
  const std::string where = concat(b.manifest.id, ' ', sample.id);
  question_text(question_of(b.manifest, frame, sample));
  const RuleContext alone{judges, {}, true, {}};
  for (const RuleSpec& rule : b.manifest.rules)
    apply_rule(rule, sample.values, "A", alone, concat(where, ", rule ", rule.name));
}

}  // namespace

void rehearse(const std::vector<Benchmark>& benchmarks, const RunOptions& o) {
  const auto judges = read_judge_prompts(o.manifests + "/judges.json");
  for (const Benchmark& b : benchmarks) {
    const Frame& frame = frame_of(b.manifest, o.prompt_style);
    try {
      rehearse_one(b, frame, judges);
    } catch (const Error& e) {
      input_error(b.manifest.path, ": ", e.what());
    }
  }
}

}  // namespace glmv::eval
