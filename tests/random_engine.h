// Small random models, prompts and engines that make a known mistake: what the catalogue is proven with.
#pragma once

#include <string>
#include <vector>

#include "crosscheck/crosscheck.h"
#include "crosscheck/runs.h"

namespace glmv {

/// Which kind of model a mistake needs to be seen.
enum class Kind {
  moe,
  dense,
  quantised,  ///< moe with FP8 weights
  far_biased  ///< moe with correction biases near 1000: f32 leaves little of a score added to one
};

struct RandomModel {
  Model model;
  Script script;  ///< two pictures, a clip, text, and a decode step whose token each engine picks itself
};

/// Every seed is another model and another prompt. Constants are not degenerate: routed_scaling_factor is not 1, there
/// are 2 groups, biases are well off zero, correction biases so far that bf16 cannot tell them apart.
RandomModel random_model(uint64_t seed, Kind kind, int64_t layers = 3);

/// The twin's processor, noise pictures of odd sizes, two clips, a system message.
PromptRequest random_request(uint64_t seed);

/// The trace of an engine that makes these mistakes. Activation as given.
Theirs engine_trace(const Model& model, const Script& script, const std::vector<const Mistake*>& with,
                    DType activation = DType::f32);

/// Which kind of model shows the mistake.
Kind kind_for(const Mistake& m);
/// True if it spoils how a prompt is made, so that no forward pass is needed to see it.
inline bool spoils_inputs(const Mistake& m) { return m.request != nullptr || m.processed != nullptr; }

struct Verdict {
  bool visible = false;  ///< the trace departs at all
  bool named = false;    ///< the mistake is among what explains it
  bool alone = false;    ///< and nothing else is
  std::string said;      ///< what the report named instead
};

/// An engine with the mistake on the seed's model, cross-checked.
Verdict verdict_on(const Mistake& m, uint64_t seed);

/// A single element of theirs moved away from gold.
struct PlantedError {
  std::string point;
  int64_t element = 0;
};
/// At a float point and element that the seed draws: to `factor` times what is allowed there. `theirs` must be a clean
/// trace of the model.
PlantedError plant_error(const Model& model, Theirs& theirs, uint64_t seed, double factor);

}  // namespace glmv
