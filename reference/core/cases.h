// Cases: the shapes on which an op is checked and timed, listed once beside the op (reference/<op>_cases.cc).
//
// A case declares its tensors through a CaseRun and hands back the call. The harness owns every buffer: outputs are
// poisoned before a run and guarded on both sides, and the same case runs in f64 (gold), in its own type on the
// reference in several orders of summation (noise), and on the backend under test.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "reference/core/arena.h"
#include "reference/core/compare.h"
#include "reference/core/procedural.h"
#include "reference/core/rounding.h"
#include "reference/core/weight.h"

namespace glmv {

/// How an output is judged.
enum class Judge : uint8_t {
  noise,    ///< allowed = 1 ulp + 2 x the reference's error in its row
  exact,    ///< equal values: ids, copies
  routing,  ///< chosen experts: gold's choice, or a legal one by the outputs "logits" and the input "correction_bias"
};

/// The tensors of one run of a case, on one backend, in one type.
class CaseRun {
 public:
  using Dims = std::initializer_list<int64_t>;
  enum class Mode : uint8_t {
    plain,
    absolute,  ///< every value replaced by its absolute value: a product then yields sum |x||w|, the analytic bound
  };

  /// `activation`: f64 for gold, else the case's type. `stored`: the case's type, to which inputs are rounded first.
  CaseRun(const Backend& backend, DType activation, DType stored, uint64_t seed, Mode mode = Mode::plain);
  ~CaseRun();
  CaseRun(const CaseRun&) = delete;
  CaseRun& operator=(const CaseRun&) = delete;

  DType activation() const { return activation_; }
  /// f64 in a gold run, else f32: what a router keeps exact.
  DType exact() const { return activation_ == DType::f64 ? DType::f64 : DType::f32; }

  /// A float activation with values from seed and name, in the run's type.
  TensorView input(const std::string& name, Dims dims, Procedural law = {1, 0});
  /// A float tensor whose type is the same in every run: weights, and what the model defines in f32.
  TensorView fixed(const std::string& name, DType dtype, Dims dims, Procedural law = {1, 0});
  /// i32 values.
  TensorView ids(const std::string& name, const std::vector<int32_t>& values, Dims dims);
  TensorView ids(const std::string& name, const std::vector<int32_t>& values);
  /// Float values given one by one.
  TensorView values(const std::string& name, DType dtype, const std::vector<double>& values, Dims dims);
  /// A weight matrix [N, K], bf16 and scaled by 1 / sqrt(K), or FP8 with a scale per row.
  Weight weight(const std::string& name, int64_t n, int64_t k, Format format = Format::plain);
  /// Gate, up [F, H] and down [H, F] of E experts.
  ExpertWeights experts(int64_t e, int64_t f, int64_t h, Format format = Format::plain);

  /// An argument of the op that is no tensor: whoever runs a dumped case needs it too. Returns the value.
  float scalar(const std::string& name, float value);
  int64_t scalar(const std::string& name, int64_t value);
  bool scalar(const std::string& name, bool value);
  Rounding scalar(const std::string& name, Rounding value);
  /// Any other argument in words, "wide[:, 20:40]".
  void argument(const std::string& name, const std::string& value);
  const std::map<std::string, std::string>& arguments() const { return arguments_; }

  /// A result, poisoned; `dtype` defaults to the run's type.
  TensorView output(const std::string& name, Dims dims, Judge judge = Judge::noise);
  TensorView output(const std::string& name, DType dtype, Dims dims, Judge judge = Judge::noise);
  /// An input that is overwritten by the result.
  TensorView in_place(const std::string& name, Dims dims, Procedural law = {1, 0});

  struct Item {
    std::string name;
    bool is_output = false;
    Judge judge = Judge::noise;
    TensorView view;        ///< in the backend's memory
    void* block = nullptr;  ///< with the guard bands
  };
  const std::vector<Item>& items() const { return items_; }
  /// Contiguous host copy.
  Tensor fetch(const Item& item) const;
  /// Name of the first output whose guard band was written to, or "".
  std::string broken_guard() const;

 private:
  TensorView make(const std::string& name, DType dtype, Dims dims, bool is_output, Judge judge);
  void fill(const TensorView& view, const std::string& name, Procedural law, DType stored);

  const Backend& backend_;
  DType activation_, stored_;
  uint64_t seed_;
  Mode mode_;
  std::vector<Item> items_;
  std::map<std::string, std::string> arguments_;
  std::vector<std::unique_ptr<std::vector<Weight>>> experts_;
};

/// What a case's build hands back: the op with its arguments bound.
using CaseCall = std::function<void(Exec)>;

struct Case {
  std::string name;  ///< "attention/gqa12_bf16_T64_S4096"
  DType dtype = DType::f32;
  std::function<CaseCall(CaseRun&, const OpTable&)> build;
  std::function<bool(const OpTable&)> has;
  double flops = 0, bytes = 0;
  int64_t sum_length =
      0;              ///< a product of this inner length: the reference must keep to gamma_k * sum |x||w|. 0 = no bound
  bool small = true;  ///< cheap enough for every test run
  bool bench = false;  ///< worth timing
};

struct OutputReport {
  std::string name;
  bool within = true;
  Comparison comparison;  ///< noise
  std::string worst;      ///< noise: its worst element, in words
  std::string detail;     ///< what is wrong
};

struct CaseReport {
  enum class Status : uint8_t { passed, failed, not_implemented };
  std::string name, backend;
  uint64_t seed = 0;
  Status status = Status::passed;
  std::vector<OutputReport> outputs;
  double seconds = 0;

  /// One line per failed output, with the command that repeats it.
  std::string failures() const;
};

/// What a case is judged by, for one seed: gold, and the reference in its legal orders of summation. It costs several
/// runs of the reference, so it is computed once and judges any number of backends. The case must outlive it.
class CaseTruth {
 public:
  CaseTruth(const Case& c, const Backend& reference, uint64_t seed);
  ~CaseTruth();
  CaseTruth(const CaseTruth&) = delete;
  CaseTruth& operator=(const CaseTruth&) = delete;

  /// Runs the case on `backend` and judges what it left there.
  CaseReport judge(const Backend& backend) const;

 private:
  struct Runs;
  const Case& case_;
  uint64_t seed_;
  std::unique_ptr<const Runs> runs_;
};

/// Runs one case on `backend` and judges it by `reference`.
CaseReport run_case(const Case& c, const Backend& reference, const Backend& backend, uint64_t seed);

/// A case for kernels written elsewhere.
struct CaseDump {
  std::vector<std::pair<std::string, Tensor>> tensors;  ///< "input/x", "gold/x" (f64), "allowed/x" (f64, per element)
  std::map<std::string, std::string> arguments;         ///< what is no tensor: "scale" -> "0.25", "mask" -> "causal"
};
CaseDump dump_case(const Case& c, const Backend& reference, uint64_t seed);

/// Judges outputs that a kernel written elsewhere computed from a dump of this case and seed, by the rules of run_case.
/// Error (exit code 3) for outputs that are missing, too many, of other extents or another kind of type.
CaseReport check_case(const Case& c, const Backend& reference, uint64_t seed,
                      const std::map<std::string, ConstTensorView>& outputs);

}  // namespace glmv
