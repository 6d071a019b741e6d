// The catalogue as a whole. Its entries are in mistakes_inputs.cc, mistakes_positions.cc, mistakes_patch.cc,
// mistakes_vision.cc, mistakes_merger.cc, mistakes_text.cc, mistakes_router.cc, mistakes_experts.cc,
// mistakes_logits.cc.
#include "crosscheck/mistakes.h"

#include <algorithm>

#include "crosscheck/stages.h"

namespace glmv {
namespace {

std::vector<Mistake> all_mistakes() {
  std::vector<Mistake> all;
  for (std::vector<Mistake> (*part)() :
       {input_mistakes, position_mistakes, patch_mistakes, vision_mistakes, merger_mistakes, text_mistakes,
        router_mistakes, expert_mistakes, logit_mistakes}) {
    for (Mistake& m : part()) all.push_back(std::move(m));
  }
  std::stable_sort(all.begin(), all.end(), [](const Mistake& a, const Mistake& b) { return a.stage < b.stage; });
  return all;
}

std::string stage_heading(int stage) { return concat("stage ", stage, ", ", stage_name(stage)); }

}  // namespace

const std::vector<Mistake>& mistakes() {
  static const std::vector<Mistake> all = all_mistakes();
  return all;
}

const Mistake& find_mistake(std::string_view name, std::string_view flag) {
  std::string known;
  for (const Mistake& m : mistakes()) {
    if (m.name == name) return m;
    known += (known.empty() ? "" : ", ") + m.name;
  }
  usage_error(flag, ' ', name, " is not in the catalogue: ", known);
}

Backend with_mistake(const Mistake& mistake) {
  const Model nothing;
  Mutant wrong(nothing);
  if (mistake.build) mistake.build(wrong);
  return wrong.backend;
}

Prompt make_prompt(const PromptRequest& request, const std::vector<const Mistake*>& with) {
  if (with.empty())
    return make_prompt(request.processor, request.messages, request.options, request.images, request.clips);
  PromptRequest wrong = request;
  for (const Mistake* m : with) {
    if (m->request) m->request(wrong);
  }
  Prompt prompt = make_prompt(wrong);
  for (const Mistake* m : with) {
    if (m->processed) m->processed(prompt, wrong);
    if (m->positions) m->positions(prompt, wrong.processor.config);
  }
  return prompt;
}

std::string catalogue_text() {
  constexpr size_t kWidth = 34;
  std::string text;
  int stage = -1;
  for (const Mistake& m : mistakes()) {
    if (m.stage != stage) text += concat(text.empty() ? "" : "\n", stage_heading(m.stage), '\n');
    stage = m.stage;
    const std::string gap(m.name.size() < kWidth ? kWidth - m.name.size() : 1, ' ');
    text += concat(m.name, gap, m.description, '\n', std::string(kWidth, ' '), "reference: ", m.reference, " (",
                   m.source, ")\n");
  }
  return text + concat('\n', mistakes().size(), " known mistakes\n");
}

std::string catalogue_document() {
  std::string text = concat(
      "# Known mistakes\n\n"
      "Ways in which ports of this model have been wrong, or easily are. `glmv crosscheck` builds them into the "
      "reference when\na program departs and names the one that makes the departure noise; `--mistake NAME` builds one "
      "in on purpose, `--assume NAME`\ntakes it for granted and looks beneath it. Within a stage the more plausible "
      "ones are tried first. ",
      mistakes().size(),
      " entries; this file is what\n`glmv crosscheck --list-mistakes` prints, as a table, and a test keeps the two "
      "equal.\n");
  int stage = -1;
  for (const Mistake& m : mistakes()) {
    if (m.stage != stage) {
      text += concat("\n## ", stage_heading(m.stage),
                     "\n\n| mistake | shows first at | what is done instead | what the reference does | see |\n"
                     "|---|---|---|---|---|\n");
    }
    stage = m.stage;
    text += concat("| `", m.name, "` | `", m.point, "` | ", m.description, " | ", m.reference, " | ",
                   m.source.rfind("http", 0) == 0 ? "<" + m.source + ">" : "`" + m.source + "`", " |\n");
  }
  return text;
}

}  // namespace glmv
