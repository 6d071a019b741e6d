// The cross-check: another program's points against the f64 gold run of the same inputs, stage by stage.
//
// What counts as noise is measured on the spot: the reference is run in the trace's type with several orders of
// summation (core/reduction.h), and in bf16 a trace may bring floors of its own. Their routing is replayed, so that a
// legal flip does not hide what comes after it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "crosscheck/mistakes.h"
#include "crosscheck/record.h"
#include "data/safetensors.h"
#include "reference/core/compare.h"

namespace glmv {

/// The points to be judged: a trace from a file, or a recording of another backend.
struct Theirs {
  std::string label;  ///< for people: a path, or "backend cuda"
  std::map<std::string, ConstTensorView> points;
  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsFile> files;  ///< keep the views alive
  Recording recording;
};
Theirs theirs_from(const SafetensorsFile& trace);
Theirs theirs_from(Recording recording, const std::string& label);

/// The compute type that a trace says it has; Error (exit code 3) for one we do not run. f32 if it does not say.
DType dtype_of_trace(const std::map<std::string, std::string>& metadata);

enum class PointKind {
  given,    ///< taken from the trace as input, nothing to compare
  exact,    ///< ids, positions, pixels we computed ourselves: any difference is a departure
  noise,    ///< floats: within 1 ulp and twice the measured noise
  routing,  ///< chosen experts: legal within the measured error of the scores
  sampled,  ///< a greedy token: its logit may be below the largest by no more than both are uncertain
};

struct PointResult {
  std::string name;
  int stage = 0;
  PointKind kind = PointKind::noise;
  bool within = true;
  std::string detail;       ///< a sentence for a departure
  Comparison theirs;        ///< against gold (noise)
  double noise_ulp = 0;     ///< peak of our own run in the same type
  bool ours_within = true;  ///< our own run judged the same way, with theirs as the ruler
  int64_t flips = 0;        ///< routing: tokens that legally chose otherwise than gold
};

struct CrosscheckReport {
  std::string model, theirs, backend, mistake;
  DType dtype = DType::f32;
  std::vector<PointResult> points;        ///< in the order of the forward pass
  int64_t first = -1;                     ///< index of the first departure, -1 if there is none
  std::vector<std::string> unknown;       ///< names in the trace that are no points of ours
  std::vector<std::string> explained_by;  ///< mistakes that turn the first departure into noise
  std::vector<std::string> warnings;
  double seconds = 0;

  bool within() const { return first < 0; }
  int64_t flips() const;
};

struct CrosscheckOptions {
  DType dtype = DType::f32;
  const Mistake* mistake = nullptr;      ///< build this one into our runs
  bool explain = true;                   ///< on a departure try the catalogue
  const Prompt* preprocessed = nullptr;  ///< our own stages 0 to 3, to be compared with the trace's
  int64_t page_size = 0;
  std::function<void(const std::string& what)> progress;
};

/// Compares. The forward pass always runs on the trace's own inputs. Error: 3 for a trace that does not fit the model.
CrosscheckReport crosscheck(const Model& model, const Theirs& theirs, const CrosscheckOptions& options);

/// The script a trace holds: its prompt, the tokens it fed, the experts it chose (those that are well-formed).
Script script_of(const Model& model, const Theirs& theirs);

}  // namespace glmv
