#include <algorithm>
#include <limits>

#include "crosscheck/golden_files.h"
#include "crosscheck/stages.h"

namespace glmv {
namespace {

bool same_tensor(const SafetensorsFile& file, const Theirs& theirs, const std::string& name) {
  const auto found = theirs.points.find(name);
  if (!file.has(name) || found == theirs.points.end()) return !file.has(name) && found == theirs.points.end();
  return equal_extents(file.get(name), found->second) && compare_exact(file.get(name), found->second).different == 0;
}

/// The prompt that the trace is of: the one with its ids and grids. Its pixels are compared, not looked for.
const GoldenPrompt& prompt_of(const GoldenPack& pack, const Theirs& theirs) {
  std::string known;
  for (const GoldenPrompt& p : pack.prompts) {
    const SafetensorsFile file = SafetensorsFile::open(golden_path(pack, p.file));
    const bool same = same_tensor(file, theirs, "input_ids") && same_tensor(file, theirs, "image_grid_thw") &&
                      same_tensor(file, theirs, "video_grid_thw");
    if (same) return p;
    known += concat(known.empty() ? "" : ", ", p.id, " (", p.tokens, " tokens)");
  }
  input_error(theirs.label, ": no prompt of golden pack ", pack.name, " has its input_ids and grids; there are ",
              known);
}

/// Steps that were fed other tokens than the pack's cannot be judged by it.
void drop_other_steps(const SafetensorsFile& file, Theirs& theirs) {
  int64_t step = 1;
  while (theirs.points.count(join_step(step, "input_ids")) > 0 &&
         same_tensor(file, theirs, join_step(step, "input_ids")))
    ++step;
  const auto dropped = std::erase_if(theirs.points, [&](const auto& p) { return split_step(p.first).step >= step; });
  if (dropped > 0)
    theirs.warnings.push_back(concat("from step ", step, " on the trace was fed other tokens than the pack, or more: ",
                                     dropped, " tensors are not judged"));
}

/// The largest noise that anybody measured, row by row.
void take_floors(const GoldenPack& pack, const GoldenPrompt& prompt, const SafetensorsFile& file, DType activation,
                 Theirs& theirs) {
  if (!theirs.floors.empty()) {
    theirs.warnings.push_back(concat(theirs.floors.size(), " floors of the trace were not used: the pack has its own"));
    theirs.floors.clear();
  }
  const std::string prefix = concat(kNoisePrefix, name_of(activation), "/");
  std::vector<SafetensorsFile> files = {file};
  for (const std::string& name : prompt.noise_files) {
    check_hash(pack, name);
    files.push_back(SafetensorsFile::open(golden_path(pack, name)));
  }
  for (const SafetensorsFile& source : files) {
    for (const auto& [name, v] : source.tensors()) {
      if (name.rfind(prefix, 0) != 0) continue;
      const std::string point = name.substr(prefix.size());
      if (v.dtype != DType::f32 || v.rank != 1)
        input_error(source.path(), ": ", name, " is ", v, ", expected f32 [rows]");
      const auto known = theirs.floors.find(point);
      if (known == theirs.floors.end()) {
        theirs.floors[point] = v;
        continue;
      }
      if (!equal_extents(known->second, v))
        input_error(source.path(), ": ", name, " is ", v, ", the pack's own ", known->second);
      Tensor most(DType::f32, v);
      for (int64_t i = 0; i < v.size(); ++i)
        most.data<float>()[i] =
            std::max(static_cast<const float*>(known->second.data)[i], static_cast<const float*>(v.data)[i]);
      theirs.converted.push_back(most);
      known->second = most.view;
    }
    theirs.owners.push_back(std::make_shared<SafetensorsFile>(source));
  }
  theirs.measured_floors = true;
}

/// The first token of a layer for which theirs chose other experts than gold; the number of tokens if there is none.
int64_t first_other_choice(const ConstTensorView& gold, const ConstTensorView& theirs) {
  if (!equal_extents(gold, theirs) || is_float(theirs.dtype)) return gold.dim[0];
  const ExactComparison c = compare_exact(gold, theirs);
  return c.different == 0 ? gold.dim[0] : c.first / gold.dim[1];
}

/// Another choice, legal or not, changes its token from there on, and through attention every later token. Without the
/// model it cannot be replayed, so those rows are not known.
void mark_unknown_rows(const Theirs& theirs, Runs& runs) {
  int64_t step = 0, from = std::numeric_limits<int64_t>::max();
  std::string why;
  for (const std::string& name : runs.all_points) {
    const PointName at = split_step(name);
    if (at.step != step && !why.empty()) from = 0;  // a later pass sees all rows of the prompt
    step = at.step;
    if (!why.empty() && stage_of(name) > 8 && !at.point.starts_with("model.language_model.rotary"))
      runs.unknown_from[name] = {from, why};
    if (!is_choice(name) || theirs.points.count(name) == 0) continue;
    const ConstTensorView gold = runs.gold.get(name).view;
    const int64_t token = first_other_choice(gold, theirs.points.at(name));
    if (token >= std::min(from, gold.dim[0])) continue;
    from = token;
    why = concat("behind ", name, " where token ", token,
                 " goes to other experts than in the pack: only with the model can that be replayed");
  }
}

}  // namespace

CrosscheckReport judge_with_pack(const GoldenPack& pack, Theirs theirs, const CrosscheckOptions& options) {
  const GoldenPrompt& prompt = prompt_of(pack, theirs);
  check_hash(pack, prompt.file);
  check_hash(pack, "router.safetensors");
  check_hash(pack, "config.json");
  const SafetensorsFile file = SafetensorsFile::open(golden_path(pack, prompt.file));
  drop_other_steps(file, theirs);
  take_floors(pack, prompt, file, options.dtype, theirs);
  Runs runs = runs_of_golden(file, options.dtype);
  mark_unknown_rows(theirs, runs);
  const Prompt inputs = script_of_golden(pack, file).prompt;
  CrosscheckOptions recorded = options;
  recorded.recorded = &runs;
  recorded.preprocessed = &inputs;
  const auto weights = theirs.metadata.find("model_sha256");
  if (weights != theirs.metadata.end() && weights->second != pack.model_sha256)
    theirs.warnings.push_back("the trace was made with other weights than the pack (model_sha256)");
  CrosscheckReport report = crosscheck(pack.model, theirs, recorded);
  report.model = concat("golden pack ", pack.name, ", prompt ", prompt.id, " (", prompt.what, ")");
  report.backend = concat("as recorded by ", pack.producer, "; no model is run");
  for (const std::string& source : pack.noise_sources) report.notes.push_back("floors: " + source);
  return report;
}

}  // namespace glmv
