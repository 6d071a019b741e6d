#include "reference/core/cases.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <map>
#include <sstream>

#include "reference/core/rows.h"

namespace glmv {
namespace {

/// The outputs of one run by name, in order of declaration, with their judges.
struct Result {
  std::vector<CaseRun::Item> items;
  std::map<std::string, Tensor> inputs, outputs;
  std::map<std::string, std::string> arguments;
  std::string broken_guard;
};

struct How {
  DType activation;
  Reduction reduction = Reduction::blocked;
  CaseRun::Options options;
  bool inputs = false;  ///< keep all of them: weights are large
};

/// What judging needs to know of the inputs: little ones.
bool judged_by(const std::string& input) { return input == "correction_bias" || input == "groups"; }

/// The outputs that lie in a run.
void take_outputs(const CaseRun& run, Result& r) {
  for (const CaseRun::Item& item : run.items()) {
    if (item.is_output) r.outputs[item.name] = run.fetch(item);
  }
  r.broken_guard = run.broken_guard();
}

Result execute(const Case& c, const Backend& backend, uint64_t seed, const How& how) {
  CaseRun run(backend, how.activation, c.dtype, seed, how.options);
  const CaseCall call = c.build(run, backend.ops);
  Result r;
  r.items = run.items();
  r.arguments = run.arguments();
  for (const CaseRun::Item& item : run.items()) {  // before the call: in-place tensors are inputs too
    if (how.inputs || judged_by(item.name)) r.inputs[item.name] = run.fetch(item);
  }
  Arena scratch(backend);
  call(Exec{{}, {}, how.reduction, &scratch});
  if (backend.sync) backend.sync({});
  take_outputs(run, r);
  return r;
}

/// Runs of the reference that the noise is measured with.
std::vector<Result> legal_runs(const Case& c, const Backend& reference, uint64_t seed, const How& how) {
  std::vector<Result> runs;
  for (const Reduction r : legal_reductions(c.small ? 1 : kShortRow)) {
    runs.push_back(execute(c, reference, seed, {c.dtype, r, how.options, how.inputs}));
  }
  return runs;
}

Noise noise_of(const std::string& output, const std::vector<Result>& legal) {
  Noise n;
  n.rounded_to = legal.front().outputs.at(output).view.dtype;
  for (const Result& r : legal) n.legal.push_back(r.outputs.at(output));
  return n;
}

void fail(OutputReport& r, std::string detail) {
  r.within = false;
  r.detail = std::move(detail);
}

void judge_noise(const Tensor& gold, const Tensor& got, const Noise& noise, OutputReport& r) {
  r.comparison = compare(gold.view, got.view, noise);
  const Comparison& c = r.comparison;
  if (c.worst >= 0) {
    r.worst =
        concat("worst ", index_text(gold.view, c.worst), ": gold ", c.gold, ", got ", c.got, ", allowed ", c.allowed);
  }
  if (!c.within()) fail(r, concat(c.bad, " of ", c.elements, " beyond noise, ", r.worst));
}

void judge_exact(const Tensor& gold, const Tensor& got, OutputReport& r) {
  const ExactComparison c = compare_exact(gold.view, got.view);
  if (c.different > 0) {
    fail(r, concat(c.different, " of ", c.elements, " differ, first ", index_text(gold.view, c.first), ": gold ",
                   c.expected, ", got ", c.got, ", allowed 0"));
  }
}

/// A wrong reference must not widen its own gate: |error| <= gamma_k * sum |x||w|, plus the output's own rounding. What
/// is wrong with one output, or "".
std::string beyond_bound(const Case& c, const Tensor& want, const Tensor& have, const Tensor& size) {
  Tensor values(DType::f64, have.view);
  convert(have.view, values.view);
  const double k = static_cast<double>(c.sum_length) + 1, unit = 0x1p-24, gamma = k * unit / (1 - k * unit);
  for (int64_t i = 0; i < want.view.size(); ++i) {
    const double bound = gamma * size.data<double>()[i] + ulp_at(have.view.dtype, want.data<double>()[i]);
    const double error = std::abs(values.data<double>()[i] - want.data<double>()[i]);
    if (!(error <= bound)) {
      return concat("the reference itself is off at ", index_text(want.view, i), ": gold ", want.data<double>()[i],
                    ", got ", values.data<double>()[i], ", analytic bound ", bound);
    }
  }
  return "";
}

std::vector<double> row_of_f64(const Tensor& t, int64_t row) {
  Tensor values(DType::f64, t.view);
  convert(t.view, values.view);
  const int64_t width = t.view.dim[t.view.rank - 1];
  return {values.data<double>() + row * width, values.data<double>() + (row + 1) * width};
}

/// A choice other than gold's is fine if the scores cannot tell them apart.
void judge_choice(const Result& gold, const std::vector<Result>& legal, const Tensor& got, OutputReport& r) {
  judge_exact(gold.outputs.at(r.name), got, r);
  if (r.within) return;
  const std::vector<double> bias = row_of_f64(gold.inputs.at("correction_bias"), 0),
                            rule = row_of_f64(gold.inputs.at("groups"), 0);
  const auto score = [](double logit) { return 1 / (1 + std::exp(-logit)); };
  for (int64_t t = 0; t < got.view.dim[0]; ++t) {
    std::vector<double> best = row_of_f64(gold.outputs.at("logits"), t);
    double error = 0;
    for (const Result& run : legal) {
      const std::vector<double> logits = row_of_f64(run.outputs.at("logits"), t);
      for (size_t e = 0; e < best.size(); ++e) error = std::max(error, std::abs(score(logits[e]) - score(best[e])));
    }
    for (size_t e = 0; e < best.size(); ++e) best[e] = score(best[e]) + bias[e];
    std::vector<int64_t> chosen;
    for (const double id : row_of_f64(got, t)) {
      if (!(id >= 0 && id < static_cast<double>(best.size())))
        return fail(r, concat("token ", t, " goes to expert ", id));
      chosen.push_back(static_cast<int64_t>(id));
    }
    if (!std::is_sorted(chosen.begin(), chosen.end()))
      return fail(r, concat("token ", t, ": its ids do not ascend, so nobody knows whose the weights are"));
    const RoutingVerdict v =
        judge_routing(best, chosen, {static_cast<int64_t>(rule[0]), static_cast<int64_t>(rule[1])}, 2 * error);
    if (!v.legal)
      if (v.groups > static_cast<int64_t>(rule[1])) {
        return fail(r,
                    concat("token ", t, ": the chosen experts are of ", v.groups, " groups, topk_group is ", rule[1]));
      }
    return fail(r, concat("token ", t, ": an expert left out scores ", v.gap, " more, allowed ", 2 * error));
  }
  r.within = true;
  r.detail.clear();
}

/// Where the worst element stands among all rows, not among those that were compared.
void name_sampled_rows(OutputReport& r, const ConstTensorView& all, const std::vector<int64_t>& rows) {
  if (rows.empty()) return;
  if (r.comparison.worst < 0 && !r.detail.empty()) r.detail = "among the sampled rows: " + r.detail;
  if (r.comparison.worst < 0) return;
  const int64_t width = all.size() / std::max<int64_t>(all.dim[0], 1);
  const int64_t row = r.comparison.worst / width, place = r.comparison.worst % width;
  ConstTensorView compared = all;
  compared.dim[0] = static_cast<int64_t>(rows.size());
  const std::string wrong = index_text(compared, r.comparison.worst);
  r.comparison.worst = rows[static_cast<size_t>(row)] * width + place;
  const std::string right = index_text(all, r.comparison.worst);
  for (std::string* text : {&r.worst, &r.detail}) {
    if (const size_t at = text->find(wrong); at != std::string::npos) text->replace(at, wrong.size(), right);
  }
}

OutputReport judge_output(const CaseRun::Item& item, const Result& gold, const std::vector<Result>& legal,
                          const Tensor& got) {
  OutputReport r;
  r.name = item.name;
  switch (item.judge) {
    case Judge::noise: judge_noise(gold.outputs.at(item.name), got, noise_of(item.name, legal), r); break;
    case Judge::exact: judge_exact(gold.outputs.at(item.name), got, r); break;
    case Judge::routing: judge_choice(gold, legal, got, r); break;
  }
  return r;
}

/// True for a tensor that nobody filled.
bool is_poisoned(const Tensor& t) {
  return t.view.size() > 0 && (!is_float(t.view.dtype) || std::isnan(row_of_f64(t, 0)[0]));
}

}  // namespace

std::string CaseReport::failures() const {
  std::ostringstream out;
  for (const OutputReport& o : outputs) {
    if (!o.within) {
      out << name << " seed " << seed << " on " << backend << ", " << o.name << ": " << o.detail
          << "\n  repeat: glmv cases '" << name << "' --backend " << backend << " --seed " << seed << '\n';
    }
  }
  return out.str();
}

namespace {

/// What a case is judged by.
struct Truth {
  Result gold;
  std::vector<Result> legal;
};

Truth truth_of(const Case& c, const Backend& reference, uint64_t seed, How how = {DType::f64}) {
  return {execute(c, reference, seed, how), legal_runs(c, reference, seed, how)};
}

/// The sampled rows of an output of all rows.
Tensor picked(const Tensor& all, const std::vector<int64_t>& rows) {
  TensorView v = all.view;
  v.dim[0] = static_cast<int64_t>(rows.size());
  Tensor out(v.dtype, v);
  const size_t bytes = static_cast<size_t>(all.view.bytes() / std::max<int64_t>(all.view.dim[0], 1));
  for (size_t i = 0; i < rows.size(); ++i) {
    if (bytes > 0)
      std::memcpy(out.data<char>() + i * bytes, all.data<char>() + static_cast<size_t>(rows[i]) * bytes, bytes);
  }
  return out;
}

/// What is wrong with rows that nobody compares: a value that is no number, or was never written.
std::string not_a_number(const CaseRun::Item& item, const Tensor& all) {
  if (!is_float(item.view.dtype)) return "";
  const int64_t at = first_not_finite(all.view);
  return at < 0 ? "" : concat(index_text(all.view, at), " is not a finite number");
}

void set_status(CaseReport& report) {
  const bool ok =
      std::all_of(report.outputs.begin(), report.outputs.end(), [](const OutputReport& o) { return o.within; });
  report.status = ok ? CaseReport::Status::passed : CaseReport::Status::failed;
}

/// An output from outside, under its name or "output/" and its name, if it can be compared with gold.
Tensor output_from(const std::map<std::string, ConstTensorView>& outputs, const CaseRun::Item& item,
                   const ConstTensorView& gold) {
  const auto plain = outputs.find(item.name), prefixed = outputs.find("output/" + item.name);
  const auto found = plain != outputs.end() ? plain : prefixed;
  if (plain != outputs.end() && prefixed != outputs.end())
    input_error("output ", item.name, " is there twice, as ", item.name, " and as output/", item.name);
  if (found == outputs.end()) {
    input_error("output ", item.name, ' ', gold, " is missing: it is looked for under that name and as output/",
                item.name);
  }
  const ConstTensorView& v = found->second;
  if (!equal_extents(v, gold) || is_float(v.dtype) != is_float(gold.dtype)) {
    input_error("output ", item.name, " is ", v, ", wanted are the extents of gold ", gold, " and ",
                is_float(gold.dtype) ? "a float type" : "integers");
  }
  Tensor copy(v.dtype, v);
  convert(v, copy.view);
  return copy;
}

/// What stands in a dump may be left in the file; anything else would be a result that nobody looks at.
void check_known(const std::map<std::string, ConstTensorView>& outputs, const std::vector<CaseRun::Item>& items) {
  std::string names;
  for (const CaseRun::Item& item : items) {
    if (item.is_output) names += concat(names.empty() ? "" : ", ", item.name);
  }
  for (const auto& output : outputs) {
    const std::string& name = output.first;  // not bound: clang 14 does not capture bindings
    const bool dumped = name == "sampled_rows" || name.starts_with("input/") || name.starts_with("gold/") ||
                        name.starts_with("allowed/");
    const bool known = std::any_of(items.begin(), items.end(), [&](const CaseRun::Item& item) {
      return item.is_output && (name == item.name || name == "output/" + item.name);
    });
    if (!dumped && !known) input_error("tensor ", name, " is no output of the case; those are ", names);
  }
}

}  // namespace

void sample_rows(Case& c) {
  constexpr double kAffordable = 5e8;  // operations of one run of the reference: gold and five orders take seconds
  if (c.tokens <= 4 || c.flops <= kAffordable) return;
  const auto rows = static_cast<int64_t>(kAffordable / (c.flops / static_cast<double>(c.tokens)));
  c.sample = std::min(c.tokens, std::clamp<int64_t>(rows, 4, 64));
}

std::vector<int64_t> sampled_rows(const Case& c) {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < c.sample; ++i) rows.push_back(c.sample == 1 ? 0 : i * (c.tokens - 1) / (c.sample - 1));
  return rows;
}

struct CaseTruth::Runs {
  SharedTensors shared;
  std::vector<int64_t> rows;  ///< empty = all
  Truth truth;
  std::map<std::string, std::string> beyond;  ///< outputs where the reference leaves its analytic bound, and how
};

CaseTruth::CaseTruth(const Case& c, const Backend& reference, uint64_t seed)
    : case_(c), seed_(seed), runs_(std::make_unique<Runs>()) {
  runs_->rows = sampled_rows(c);
  const auto how = [&](CaseRun::Mode mode) {
    return How{DType::f64, Reduction::blocked, {mode, &runs_->rows, &runs_->shared}, false};
  };
  runs_->truth = truth_of(c, reference, seed, how(CaseRun::Mode::plain));
  if (c.sum_length == 0) return;
  const Result sizes = execute(c, reference, seed, how(CaseRun::Mode::absolute));
  for (const CaseRun::Item& item : runs_->truth.gold.items) {
    if (!item.is_output || item.judge != Judge::noise) continue;
    std::string what = beyond_bound(c, runs_->truth.gold.outputs.at(item.name),
                                    runs_->truth.legal[0].outputs.at(item.name), sizes.outputs.at(item.name));
    if (!what.empty()) runs_->beyond[item.name] = std::move(what);
  }
}

CaseTruth::~CaseTruth() = default;

SharedTensors& CaseTruth::shared() const { return runs_->shared; }

CaseReport CaseTruth::judge(const CaseRun& run, std::string_view who) const {
  CaseReport report{case_.name, std::string(who), seed_, CaseReport::Status::passed, {}, 0};
  Result got;
  take_outputs(run, got);
  for (const CaseRun::Item& item : run.items()) {
    if (!item.is_output) continue;
    const Tensor& all = got.outputs.at(item.name);
    const bool part = !runs_->rows.empty();
    GLMV_CHECK(!part || item.by_token, case_.name, ": output ", item.name, " has no token rows to sample");
    report.outputs.push_back(
        judge_output(item, runs_->truth.gold, runs_->truth.legal, part ? picked(all, runs_->rows) : all));
    OutputReport& r = report.outputs.back();
    name_sampled_rows(r, all.view, runs_->rows);
    if (const std::string what = part ? not_a_number(item, all) : ""; !what.empty()) fail(r, what);
    const auto beyond = runs_->beyond.find(item.name);
    if (r.within && beyond != runs_->beyond.end()) fail(r, beyond->second);
  }
  if (!got.broken_guard.empty()) {
    report.outputs.emplace_back();
    report.outputs.back().name = got.broken_guard;
    fail(report.outputs.back(), "memory beside the tensor was written to");
  }
  set_status(report);
  return report;
}

CaseReport CaseTruth::judge(const Backend& backend) const {
  if (!case_.has(backend.ops)) {
    return {case_.name, std::string(backend.name), seed_, CaseReport::Status::not_implemented, {}, 0};
  }
  const auto start = std::chrono::steady_clock::now();
  CaseRun run(backend, case_.dtype, case_.dtype, seed_, {CaseRun::Mode::plain, nullptr, &runs_->shared});
  const CaseCall call = case_.build(run, backend.ops);
  Arena scratch(backend);
  call(Exec{{}, {}, Reduction::blocked, &scratch});
  if (backend.sync) backend.sync({});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  CaseReport report = judge(run, backend.name);
  report.seconds = seconds;
  return report;
}

CaseReport run_case(const Case& c, const Backend& reference, const Backend& backend, uint64_t seed) {
  if (!c.has(backend.ops)) {  // no need of the truth
    return {c.name, std::string(backend.name), seed, CaseReport::Status::not_implemented, {}, 0};
  }
  return CaseTruth(c, reference, seed).judge(backend);
}

CaseReport check_case(const Case& c, const Backend& reference, uint64_t seed,
                      const std::map<std::string, ConstTensorView>& outputs) {
  CaseReport report{c.name, "a file", seed, CaseReport::Status::passed, {}, 0};
  SharedTensors shared;
  const std::vector<int64_t> rows = sampled_rows(c);
  const auto [gold, legal] =
      truth_of(c, reference, seed, {DType::f64, Reduction::blocked, {CaseRun::Mode::plain, &rows, &shared}, false});
  check_known(outputs, gold.items);
  for (const CaseRun::Item& item : gold.items) {
    if (!item.is_output) continue;
    Tensor want = gold.outputs.at(item.name);
    if (!rows.empty()) want.view.dim[0] = c.tokens;  // only its extents are asked for
    const Tensor got = output_from(outputs, item, want.view);
    report.outputs.push_back(judge_output(item, gold, legal, rows.empty() ? got : picked(got, rows)));
    name_sampled_rows(report.outputs.back(), got.view, rows);
  }
  set_status(report);
  return report;
}

namespace {

/// What the model defines in f32 is f32 in a gold run too; a dump holds every float as f64.
Tensor as_gold(const Tensor& t) {
  if (!is_float(t.view.dtype)) return t;
  Tensor wide(DType::f64, t.view);
  convert(t.view, wide.view);
  return wide;
}

}  // namespace

CaseDump dump_case(const Case& c, const Backend& reference, uint64_t seed) {
  SharedTensors shared;
  const std::vector<int64_t> rows = sampled_rows(c);
  const auto [gold, legal] =
      truth_of(c, reference, seed, {DType::f64, Reduction::blocked, {CaseRun::Mode::plain, &rows, &shared}, false});
  CaseRun run(reference, c.dtype, c.dtype, seed, {CaseRun::Mode::plain, nullptr, &shared});
  c.build(run, reference.ops);
  CaseDump dump{{}, run.arguments()};
  auto& out = dump.tensors;
  if (!rows.empty()) {
    Tensor sampled(DType::i64, {static_cast<int64_t>(rows.size())});
    std::copy(rows.begin(), rows.end(), sampled.data<int64_t>());
    out.emplace_back("sampled_rows", sampled);
  }
  for (const CaseRun::Item& item : run.items()) {
    // Inputs in the case's own type, as a kernel would be given them; an output is one only if it is overwritten in
    // place.
    const Tensor input = run.fetch(item);
    if (!item.is_output || !is_poisoned(input)) out.emplace_back("input/" + item.name, input);
    if (!item.is_output) continue;
    const Tensor want = as_gold(gold.outputs.at(item.name));
    out.emplace_back("gold/" + item.name, want);
    if (item.judge != Judge::noise) continue;
    const Noise noise = noise_of(item.name, legal);
    const std::vector<double> row_noises = row_noise(want.view, noise);
    Tensor allowed(DType::f64, want.view);
    const int64_t width = want.view.size() / std::max<int64_t>(1, want.view.dim[0]);
    for (int64_t i = 0; i < want.view.size(); ++i) {
      allowed.data<double>()[i] =
          ulp_at(noise.rounded_to, want.data<double>()[i]) + noise.factor * row_noises[static_cast<size_t>(i / width)];
    }
    out.emplace_back("allowed/" + item.name, allowed);
  }
  return dump;
}

}  // namespace glmv
