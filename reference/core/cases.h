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

/// Rows of a case's token axis: all T of them, or in a sampled run those that are checked.
struct TokenRows {
  std::vector<int64_t> ids;  ///< ascending
  int64_t of = 0;            ///< T

  int64_t count() const { return static_cast<int64_t>(ids.size()); }
  bool sampled() const { return count() < of; }
  /// What belongs to these rows in a list of `width` values per token.
  template <class T>
  std::vector<T> pick(const std::vector<T>& values, int64_t width = 1) const {
    std::vector<T> out;
    for (const int64_t row : ids)
      out.insert(out.end(), values.begin() + row * width, values.begin() + (row + 1) * width);
    return out;
  }
};

/// Tensors whose values are the same in every run of a case on the host: weights, which may be larger than everything
/// else together. Made once and lent to each run; freed last.
class SharedTensors {
 public:
  SharedTensors() = default;
  ~SharedTensors();
  SharedTensors(const SharedTensors&) = delete;
  SharedTensors& operator=(const SharedTensors&) = delete;

 private:
  friend class CaseRun;
  struct Block {
    const Backend* owner;
    void* data;
  };
  std::map<std::string, Block> blocks_;
};

/// The tensors of one run of a case, on one backend, in one type.
class CaseRun {
 public:
  using Dims = std::initializer_list<int64_t>;
  enum class Mode : uint8_t {
    plain,
    absolute,  ///< every value replaced by its absolute value: a product then yields sum |x||w|, the analytic bound
  };

  struct Options {
    Mode mode = Mode::plain;
    const std::vector<int64_t>* sample = nullptr;  ///< the token rows to make; null = all
    SharedTensors* shared = nullptr;               ///< null = every tensor is the run's own
  };
  /// `activation`: f64 for gold, else the case's type. `stored`: the case's type, to which inputs are rounded first.
  CaseRun(const Backend& backend, DType activation, DType stored, uint64_t seed);
  CaseRun(const Backend& backend, DType activation, DType stored, uint64_t seed, const Options& options);
  ~CaseRun();
  CaseRun(const CaseRun&) = delete;
  CaseRun& operator=(const CaseRun&) = delete;

  DType activation() const { return activation_; }
  /// f64 in a gold run, else f32: what a router keeps exact.
  DType exact() const { return activation_ == DType::f64 ? DType::f64 : DType::f32; }

  /// The rows of this run, of a case of `total` tokens.
  TokenRows tokens(int64_t total) const;

  /// A float activation with values from seed and name, in the run's type. With token rows: [rows, dims...], each with
  /// the values it has among all of them.
  TensorView input(const std::string& name, Dims dims, Procedural law = {1, 0});
  TensorView input(const std::string& name, const TokenRows& rows, Dims dims, Procedural law = {1, 0});
  /// A float tensor whose type is the same in every run: weights, and what the model defines in f32.
  TensorView fixed(const std::string& name, DType dtype, Dims dims, Procedural law = {1, 0});
  TensorView fixed(const std::string& name, DType dtype, const TokenRows& rows, Dims dims, Procedural law = {1, 0});
  /// i32 values.
  TensorView ids(const std::string& name, const std::vector<int32_t>& values, Dims dims);
  TensorView ids(const std::string& name, const std::vector<int32_t>& values);
  /// Float values given one by one.
  TensorView values(const std::string& name, DType dtype, const std::vector<double>& values, Dims dims);
  /// A weight matrix [N, K], bf16 and scaled by 1 / sqrt(K), or FP8 with a scale per row.
  Weight weight(const std::string& name, int64_t n, int64_t k, Format format = Format::plain);
  /// Gate, up [F, H] and down [H, F] of E experts. Those that `used` leaves out have the memory of the first that is
  /// used: nobody may read them, and 128 real ones take 4 GiB.
  ExpertWeights experts(int64_t e, int64_t f, int64_t h, Format format = Format::plain,
                        const std::vector<bool>& used = {});

  /// An argument of the op that is no tensor: whoever runs a dumped case needs it too. Returns the value.
  float scalar(const std::string& name, float value);
  int64_t scalar(const std::string& name, int64_t value);
  bool scalar(const std::string& name, bool value);
  Rounding scalar(const std::string& name, Rounding value);
  /// Any other argument in words.
  void argument(const std::string& name, const std::string& value);
  const std::map<std::string, std::string>& arguments() const { return arguments_; }

  /// An argument that is a part of a tensor: [begin, end) of axis 1 of the tensor called `whole`. In a dumped case it
  /// is the words "wide[:, 20:40]".
  TensorView part(const std::string& name, const std::string& whole, int64_t begin, int64_t end);
  struct Part {
    std::string name, whole;
    TensorView view;
  };
  const std::vector<Part>& parts() const { return parts_; }

  /// A result, poisoned; `dtype` defaults to the run's type.
  TensorView output(const std::string& name, Dims dims, Judge judge = Judge::noise);
  TensorView output(const std::string& name, DType dtype, Dims dims, Judge judge = Judge::noise);
  TensorView output(const std::string& name, const TokenRows& rows, Dims dims);
  TensorView output(const std::string& name, DType dtype, const TokenRows& rows, Dims dims, Judge judge = Judge::noise);
  /// An input that is overwritten by the result.
  TensorView in_place(const std::string& name, Dims dims, Procedural law = {1, 0});
  TensorView in_place(const std::string& name, const TokenRows& rows, Dims dims, Procedural law = {1, 0});

  struct Item {
    std::string name;
    bool is_output = false;
    Judge judge = Judge::noise;
    bool by_token = false;  ///< its first axis are the run's token rows
    TensorView view;        ///< in the backend's memory
    void* block = nullptr;  ///< with the guard bands
    bool lent = false;      ///< by SharedTensors
  };
  const std::vector<Item>& items() const { return items_; }
  /// Contiguous host copy.
  Tensor fetch(const Item& item) const;
  /// Name of the first output whose guard band was written to, or "".
  std::string broken_guard() const;

 private:
  TensorView make(const std::string& name, DType dtype, const TensorView& shape, bool is_output, Judge judge);
  void fill(const TensorView& view, const std::string& name, Procedural law, DType stored, const TokenRows* rows);
  void* block_of(size_t bytes) const;

  const Backend& backend_;
  DType activation_, stored_;
  uint64_t seed_;
  Options options_;
  std::vector<Item> items_;
  std::map<std::string, std::string> arguments_;
  std::vector<Part> parts_;
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
  bool bench = false;           ///< worth timing
  int64_t tokens = 0;           ///< rows of its token axis, if it has one
  int64_t sample = 0;           ///< rows of them that gold is computed for, spread evenly; 0 = all
  int64_t context = 0;          ///< longest context, attention only
  int64_t experts_touched = 0;  ///< by its routing
  int64_t most_rows = 0;        ///< of the expert with most tokens
};

/// Gold of a case of many rows is computed for as many of them as a few seconds allow: at most 64, at least 4. Sets
/// `sample`; cases that cost less are checked whole.
void sample_rows(Case& c);
/// Which ones; empty = all.
std::vector<int64_t> sampled_rows(const Case& c);

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
  /// Judges what a call left in a run of the case in its own type and seed; `who` made it.
  CaseReport judge(const CaseRun& run, std::string_view who) const;
  /// To be lent to further runs of the case on the host.
  SharedTensors& shared() const;

 private:
  struct Runs;
  const Case& case_;
  uint64_t seed_;
  std::unique_ptr<Runs> runs_;
};

/// Runs one case on `backend` and judges it by `reference`.
CaseReport run_case(const Case& c, const Backend& reference, const Backend& backend, uint64_t seed);

/// A case for kernels written elsewhere.
struct CaseDump {
  /// "input/x", "gold/x" (f64), "allowed/x" (f64, per element). Where gold is computed for some token rows only, gold
  /// and allowed hold those, and "sampled_rows" (i64) says which they are.
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::map<std::string, std::string> arguments;  ///< what is no tensor: "scale" -> "0.25", "mask" -> "causal"
};
CaseDump dump_case(const Case& c, const Backend& reference, uint64_t seed);

/// Judges outputs that a kernel written elsewhere computed from a dump of this case and seed, by the rules of run_case.
/// Error (exit code 3) for outputs that are missing, too many, of other extents or another kind of type.
CaseReport check_case(const Case& c, const Backend& reference, uint64_t seed,
                      const std::map<std::string, ConstTensorView>& outputs);

}  // namespace glmv
