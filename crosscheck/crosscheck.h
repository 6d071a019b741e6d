// The cross-check: another program's points against the f64 gold run of the same inputs, stage by stage.
//
// What counts as noise is measured on the spot: the reference is run in the trace's type with several orders of
// summation (core/reduction.h), and in bf16 a trace may bring floors of its own. Their routing is replayed, so that a
// legal flip does not hide what comes after it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "crosscheck/explain.h"
#include "crosscheck/isolate.h"
#include "crosscheck/judge.h"
#include "crosscheck/mistakes.h"
#include "crosscheck/theirs.h"

namespace glmv {

/// One router in one pass.
struct RouterRow {
  int64_t step = 0, layer = 0;
  RouterAgreement agreement;
  bool behind = false;  ///< the first departure: what departs may be inherited
};

struct CrosscheckReport {
  std::string model, theirs, backend, mistake;
  std::vector<std::string> assumed;  ///< mistakes that were taken for granted
  DType dtype = DType::f32;
  std::vector<PointResult> points;        ///< in the order of the forward pass, inputs too
  int64_t first = -1;                     ///< index of the first departure, -1 if there is none
  int64_t model_points = 0;               ///< how many a complete trace of this script has, inputs not counted
  int64_t left_out = 0;                   ///< points of the trace that the options left out
  std::vector<std::string> not_seen;      ///< points that the trace lacks between the first departure and the last
                                          ///< point before it that was within noise
  std::vector<std::string> unknown;       ///< names in the trace that are no points of ours
  std::vector<std::string> explained_by;  ///< mistakes that turn the first departure into noise; "A + B" for a pair
  Explanations explanations;              ///< how that was found
  std::vector<RouterRow> router;          ///< per layer and pass, where theirs names its experts
  bool own_preprocessing = false;         ///< stages 0 to 3 were compared with ours
  bool pack_floors = false;               ///< floors, and our side, are those of a golden pack
  bool tried_mistakes = false;            ///< the catalogue was gone through
  std::vector<std::string> notes;         ///< how the trace was read
  std::vector<std::string> warnings;
  std::optional<Isolation> isolation;  ///< where errors were made, if it was asked for
  double seconds = 0;

  bool within() const { return first < 0; }
  /// differs; skipped if there was nothing to judge (inputs only, names we do not know); partial if a point or a part
  /// of one cannot be judged; else ok.
  ExitCode verdict() const;
  int64_t compared() const;  ///< points that were judged; the inputs of the run are not
  int64_t computed() const;  ///< those of them that the model computes
  int64_t unjudged() const;  ///< points of which at least a row was not judged: our own runs break down there
  int64_t flips() const;
};

struct CrosscheckOptions {
  DType dtype = DType::f32;
  const Mistake* mistake = nullptr;        ///< build this one into our runs and explain nothing
  std::vector<const Mistake*> assumed;     ///< build these in, too, and explain what departs all the same
  bool explain = true;                     ///< on a departure try the catalogue
  NameRules names;                         ///< names.wanted: which points are judged; all inputs are taken anyhow
  const Prompt* preprocessed = nullptr;    ///< those of a golden pack, in place of a request
  const PromptRequest* request = nullptr;  ///< stages 0 to 3 are done on our own and compared with the trace's
  int64_t page_size = 0;
  const Runs* recorded = nullptr;  ///< runs of a golden pack, to judge by instead of running the model
  bool isolate = false;  ///< start every segment from their points too, and give weights back once a layer has run
  std::function<void(const std::string& what)> progress;
};

/// Compares. The forward pass always runs on the trace's own inputs. Error: 3 for a trace that does not fit the model.
CrosscheckReport crosscheck(const Model& model, const Theirs& theirs, const CrosscheckOptions& options);

}  // namespace glmv
