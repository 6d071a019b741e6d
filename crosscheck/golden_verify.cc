#include <set>

#include "crosscheck/golden_files.h"
#include "crosscheck/stages.h"
#include "reference/core/compare.h"

namespace glmv {
namespace {

using Faults = std::vector<GoldenFault>;

/// All files that the manifest names.
Faults all_hash_faults(const GoldenPack& pack) {
  std::set<std::string> files;
  for (const auto& [file, hashes] : pack.hashes) files.insert(file);
  for (const GoldenPrompt& p : pack.prompts) {
    files.insert(p.file);
    files.insert(p.noise_files.begin(), p.noise_files.end());
  }
  Faults faults;
  for (const std::string& file : files) {
    const Faults of_file = hash_faults(pack, file);
    faults.insert(faults.end(), of_file.begin(), of_file.end());
  }
  return faults;
}

/// Machines round differently, and so do the runs that noise is measured with: it may differ by as much as a result
/// may, twice the noise.
std::string noise_difference(const ConstTensorView& packed, const ConstTensorView& ours) {
  for (int64_t i = 0; i < packed.size(); ++i) {
    const float had = static_cast<const float*>(packed.data)[i], has = static_cast<const float*>(ours.data)[i];
    if (!(had <= 2 * has) || !(has <= 2 * had)) return concat("[", i, "] is ", had, ", the model's runs show ", has);
  }
  return "";
}

std::string exact_difference(const ConstTensorView& packed, const ConstTensorView& ours) {
  const ExactComparison c = compare_exact(ours, packed);
  if (c.different == 0) return "";
  return concat(c.different, " of ", c.elements, " differ, first ", index_text(ours, c.first), ": ", c.got,
                ", the model has ", c.expected);
}

/// Gold may differ by an ulp of f32 on another machine, a run by the noise of its type; `truth` is gold as the model
/// has it.
std::string value_difference(const ConstTensorView& packed, const ConstTensorView& truth, const Noise& noise) {
  Tensor want(DType::f64, truth);
  convert(truth, want.view);
  const Comparison c = compare(want.view, packed, noise);
  if (c.within()) return "";
  return concat("differs from the model's: worst ", index_text(truth, c.worst), ": ", c.got, ", the model has ", c.gold,
                ", allowed ", c.allowed);
}

/// A tensor of the pack against the one of the same name that the model makes now.
std::string difference(const std::string& name, const ConstTensorView& packed,
                       const std::map<std::string, Tensor>& now) {
  const ConstTensorView ours = now.at(name).view;
  if (!equal_extents(packed, ours) || packed.dtype != ours.dtype)
    return concat("is ", packed, ", the model has ", ours);
  if (!is_float(packed.dtype)) return exact_difference(packed, ours);
  if (name.rfind(kNoisePrefix, 0) == 0) return noise_difference(packed, ours);
  Noise noise;
  noise.rounded_to = packed.dtype;
  const auto truth = now.find(concat(kGoldPrefix, name.substr(name.find('/') + 1)));
  if (name.rfind(kGoldPrefix, 0) == 0) {
    noise.rounded_to = DType::f32, noise.factor = 0;
    return value_difference(packed, ours, noise);
  }
  const auto floor = now.find(concat(kNoisePrefix, name));
  if (floor != now.end()) noise.row_floor = floor->second.view;
  // Inputs and the router logits of the other orders have no gold beside them under this name.
  return truth == now.end() || floor == now.end() ? "" : value_difference(packed, truth->second.view, noise);
}

void compare_prompt(const GoldenPack& pack, const GoldenPrompt& prompt, const Model& model,
                    const GoldenOptions& options, Faults& faults) {
  const SafetensorsFile file = SafetensorsFile::open(golden_path(pack, prompt.file));
  std::set<std::string> kept;
  for (const auto& [name, v] : file.tensors()) {
    if (name.rfind(kGoldPrefix, 0) == 0) kept.insert(split_step(name.substr(kGoldPrefix.size())).point);
  }
  GoldenOptions same = options;
  same.wants = [&](std::string_view point) { return kept.count(std::string(point)) > 0; };
  std::map<std::string, Tensor> now;
  for (auto& [name, tensor] : golden_tensors(model, script_of_golden(pack, file), same)) now.emplace(name, tensor);
  for (const auto& [name, tensor] : now) {
    const auto packed = file.tensors().find(name);
    const std::string what = packed == file.tensors().end() ? "is missing" : difference(name, packed->second, now);
    if (!what.empty()) faults.push_back({false, prompt.file, name, what});
  }
}

}  // namespace

Faults verify_pack(const GoldenPack& pack, const Model* model, const GoldenOptions& options) {
  Faults faults = all_hash_faults(pack);
  if (model == nullptr || !faults.empty()) return faults;  // numbers of corrupt files mean nothing
  if (model->checkpoint.sha256() != pack.model_sha256) {   // its numbers say nothing about the pack's
    faults.push_back({false, "manifest.json", "",
                      concat("the pack is of a model with sha256 ", pack.model_sha256, ", this one has ",
                             model->checkpoint.sha256())});
    return faults;
  }
  for (const GoldenPrompt& prompt : pack.prompts) compare_prompt(pack, prompt, *model, options, faults);
  return faults;
}

}  // namespace glmv
