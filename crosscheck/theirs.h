// The other side of a cross-check: its points under our names and in our layout, and the script that it ran.
//
// What a program writes down naturally is accepted: a batch axis of one, ids as i32, names that --map rewrites. Each
// such change is noted, so that the report can say what was done to the file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "crosscheck/adapters/foreign.h"
#include "crosscheck/names.h"
#include "crosscheck/pieces.h"
#include "crosscheck/record.h"
#include "data/safetensors.h"

namespace glmv {

/// The points to be judged: a trace from a file, or a recording of another backend.
struct Theirs {
  std::string label;         ///< for people: a path, or "backend cuda"
  std::string inputs_label;  ///< where inputs were added from, or empty
  std::map<std::string, ConstTensorView> points;
  std::map<std::string, std::vector<HeldByRank>> ranks;  ///< by point: what ranks hold that differ from the first
  std::map<std::string, ConstTensorView> floors;         ///< by point, f32 or f64 [rows]: noise that the file brings
  bool measured_floors = false;                          ///< they come from a golden pack, not from who is judged
  std::map<std::string, std::string> metadata;
  std::vector<std::string> notes;                   ///< what was done to its tensors, one sentence each
  std::vector<std::string> warnings;                ///< what may not have been meant
  std::vector<std::shared_ptr<const void>> owners;  ///< keep the views alive, as the next two do
  std::vector<Tensor> converted;
  Recording recording;
};

/// What another program wrote, under our names and in our layout (crosscheck/layout.h). Without a config, rules that
/// need the model's numbers are left out. Error (exit code 3) if a mapping gives two tensors one name, or a floor is
/// not [rows] of finite numbers >= 0.
Theirs theirs_from(const ForeignTensors& foreign, const NameRules& names, const ModelConfig* config);
Theirs theirs_from(const SafetensorsFile& trace, const NameRules& names = {});
Theirs theirs_from(Recording recording, const std::string& label);

/// Inputs of the prompt (stages 1 to 3) that are not among its points, from another file; a note says which.
void add_inputs(Theirs& theirs, const Theirs& inputs);

/// The compute type: what the metadata say (f32, bf16, f64 and torch's spellings of them), else bf16 if every float
/// point is stored as that (router, angles and logits may be f32), else f32. Error (exit code 3) for a type we do not
/// run.
DType dtype_of_trace(const Theirs& theirs);

/// Where f32 was taken because nothing says otherwise: what speaks for bf16, as a sentence; or "".
std::string doubt_about_dtype(const Theirs& theirs);

/// The script it holds: its prompt, the tokens it fed, the experts it chose (those that are well-formed).
/// Error (exit code 3) for inputs that do not fit the model, for more tokens than it has positions, and for a decode
/// step whose input_ids are missing.
Script script_of(const Model& model, const Theirs& theirs);

/// Their choice of a layer as i32 [T, K] if every row names K different experts, else nothing.
Tensor well_formed_choice(const ConstTensorView& ids, int64_t tokens, const TextConfig& config);

/// Number of axes of a point: "logits" has 2, "layers.0.self_attn.q" 3.
int rank_of_point(std::string_view point);

}  // namespace glmv
