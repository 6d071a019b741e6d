// What can go wrong with a manifest on its data is found before the first request is paid for.
#include <functional>

#include "eval/run.h"
#include "eval/steps.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

/// Does `step`; what it throws is a mistake of the manifest.
void rehearse_step(const std::string& where, const std::function<void()>& step) {
  try {
    step();
  } catch (const Error& e) {
    input_error(where, ": ", e.what());
  }
}

}  // namespace

void rehearse(const std::vector<Benchmark>& benchmarks, const RunOptions& o) {
  const auto judges = read_judge_prompts(o.manifests + "/judges.json");
  const RuleContext alone{judges, {}, true, {}};
  for (const Benchmark& b : benchmarks) {
    const Manifest& m = b.manifest;
    const Sample& sample = b.samples[0];
    const Frame& frame = frame_of(m, o.prompt_style);
    rehearse_step(concat(m.path, ": prompt ", frame.name), [&] { question_of(m, frame, sample); });
    for (const RuleSpec& rule : m.rules)
      rehearse_step(concat(m.path, ": rule ", rule.name, ", sample ", sample.id),
                    [&] { apply_rule(rule, sample.values, "A", alone, m.id); });
  }
}

}  // namespace glmv::eval
