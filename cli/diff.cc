// diff: two tensor files, tensor by tensor.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "cli/flags.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "crosscheck/layout.h"
#include "crosscheck/name_maps.h"
#include "crosscheck/names.h"
#include "crosscheck/stages.h"
#include "reference/core/compare.h"

namespace glmv::cli {
namespace {

struct Flags {
  std::string a, b, output, only;
  std::vector<std::string> maps;
  double rtol = -1, atol = 0;
  bool json = false, exit_zero = false, only_different = false;
  bool exact() const { return rtol < 0 && atol <= 0; }
};

constexpr const char* kExamples = R"(Examples:
  glmv diff tests/golden/moe_a/traces/text.safetensors tests/golden/moe_a/traces/text.bf16.safetensors --rtol 0.02
      every tensor both files have; exit code 1 if one is further apart than |a - b| <= atol + rtol * |a|
  glmv diff mine.safetensors theirs.safetensors --map "^blk\.(\d+)\.ffn_out$=model.language_model.layers.$1.mlp"
      names of the second file are rewritten first
  glmv diff a.safetensors b.safetensors --only "layers\.7\." --json
      one layer, as JSON (glmv.diff/1); without --rtol only equal values are the same)";

struct Row {
  std::string name;
  ConstTensorView a, b;
  Comparison distance;
  int64_t beyond = 0;  ///< elements outside --rtol, --atol (different elements, if neither is given)
  int64_t worst = -1;  ///< flat index of the one furthest outside
  double a_worst = 0, b_worst = 0;
  bool exact = false;     ///< one of them holds integers
  long double apart = 0;  ///< then the largest difference
  std::string problem;    ///< extents differ
  bool same() const { return beyond == 0 && problem.empty(); }
};

/// How far q is from p, in units of what is allowed; without a tolerance the plain distance. An infinity is near
/// nothing but itself, a NaN only near a NaN.
double excess(double p, double q, const Flags& f) {
  if (p == q || (std::isnan(p) && std::isnan(q))) return 0;
  const double error = std::abs(p - q);
  if (!std::isfinite(error)) return std::numeric_limits<double>::infinity();
  const double allowed = f.exact() ? 0 : f.atol + std::max(f.rtol, 0.0) * std::abs(p);
  if (f.exact()) return error;
  return allowed == 0 ? std::numeric_limits<double>::infinity() : error / allowed;
}

/// Elements as wide as any that is compared: integers of 64 bits and doubles alike.
std::vector<long double> wide(const ConstTensorView& v) {
  Tensor copy(is_float(v.dtype) ? DType::f64 : DType::i64, v);
  convert(v, copy.view);
  const auto size = static_cast<size_t>(v.size());
  if (is_float(v.dtype)) return {copy.data<double>(), copy.data<double>() + size};
  return {copy.data<int64_t>(), copy.data<int64_t>() + size};
}

/// Integers are compared exactly: a tolerance is for rounding, and ids are not rounded. Nor are ulps of use to them.
void judge_integers(Row& row) {
  const ExactComparison c = compare_exact(row.a, row.b);
  row.exact = true;
  row.beyond = c.different, row.worst = c.first, row.a_worst = c.expected, row.b_worst = c.got;
  const std::vector<long double> x = wide(row.a), y = wide(row.b);
  for (size_t i = 0; i < x.size(); ++i) {
    const long double apart = std::abs(x[i] - y[i]);
    if (!(apart > row.apart)) continue;
    row.apart = apart, row.worst = static_cast<int64_t>(i);
    row.a_worst = static_cast<double>(x[i]), row.b_worst = static_cast<double>(y[i]);
  }
}

void judge_floats(Row& row, const Flags& f) {
  Tensor x(DType::f64, row.a), y(DType::f64, row.b);
  convert(row.a, x.view);
  convert(row.b, y.view);
  double most = 0;
  for (int64_t i = 0; i < row.a.size(); ++i) {
    const double p = x.data<double>()[i], q = y.data<double>()[i], e = excess(p, q, f);
    row.beyond += e > (f.exact() ? 0 : 1);
    if (e > most) most = e, row.worst = i, row.a_worst = p, row.b_worst = q;
  }
}

/// Axes of one (a batch, most often) do not make two tensors different.
ConstTensorView without_ones(const ConstTensorView& v) {
  ConstTensorView out = v;
  out.rank = 0;
  for (int i = 0; i < v.rank; ++i) {
    if (v.dim[i] == 1) continue;
    out.dim[out.rank] = v.dim[i];
    out.stride[out.rank++] = v.stride[i];
  }
  return out;
}

Row compare_tensors(const std::string& name, const ConstTensorView& whole_a, const ConstTensorView& whole_b,
                    const Flags& f) {
  const bool as_they_are = equal_extents(whole_a, whole_b);
  const ConstTensorView a = as_they_are ? whole_a : without_ones(whole_a),
                        b = as_they_are ? whole_b : without_ones(whole_b);
  Row row;
  row.name = name, row.a = a, row.b = b;
  if (!equal_extents(a, b)) {
    row.problem = concat(whole_a, " against ", whole_b);
    return row;
  }
  if (is_float(a.dtype) && is_float(b.dtype)) {
    row.distance = distance(a, b, coarser(a.dtype, b.dtype));
    judge_floats(row, f);
  } else {
    judge_integers(row);
  }
  return row;
}

struct Result {
  OurLayout mapped;  ///< of the second file; this and the owners keep the rows' views alive
  std::vector<std::vector<std::shared_ptr<const void>>> owners;
  std::vector<Row> rows;
  std::vector<std::string> only_a, only_b;
};

/// A file's tensors in the order of the forward pass; names we do not know come last.
using Tensors = std::map<std::string, ConstTensorView, ForwardOrder>;

Tensors wanted_of(const std::map<std::string, ConstTensorView>& tensors, const NameRules& rules) {
  Tensors out;
  for (const auto& [name, view] : tensors) {
    if (rules.wanted(name)) out.emplace(name, view);
  }
  return out;
}

/// Where ranks of the second file hold something else than the first of them, each gets a row.
void add_other_ranks(Result& r, const std::string& name, const ConstTensorView& a, const Flags& f) {
  const auto others = r.mapped.ranks.find(name);
  if (others == r.mapped.ranks.end()) return;
  for (const HeldByRank& other : others->second) {
    if (!same_values(other.view, r.mapped.tensors.at(name)))
      r.rows.push_back(compare_tensors(concat(name, " of ", other.who), a, other.view, f));
  }
}

Result compare_files(const Flags& f) {
  const NameRules rules(f.maps, f.only);
  const ForeignTensors file_a = read_foreign(f.a), file_b = read_foreign(f.b);
  check_keeps_inputs(f.output);
  Result r;
  if (rules.given()) r.mapped = to_our_layout(file_b, rules, nullptr);
  r.owners = {file_a.owners, file_b.owners};
  const Tensors in_a = wanted_of(file_a.tensors, rules),
                in_b = wanted_of(rules.given() ? r.mapped.tensors : file_b.tensors, rules);
  for (const auto& [name, view] : in_a) {
    const auto other = in_b.find(name);
    if (other == in_b.end()) {
      r.only_a.push_back(name);
    } else {
      r.rows.push_back(compare_tensors(name, view, other->second, f));
      add_other_ranks(r, name, view, f);
    }
  }
  for (const auto& [name, view] : in_b) {
    if (in_a.count(name) == 0) r.only_b.push_back(name);
  }
  return r;
}

/// "3 of 80 differ, by at most 5": what stands in the place of ulps.
std::string integers_text(const Row& row) {
  std::string out = fmt::format("{} of {} differ", row.beyond, row.a.size());
  if (row.apart > 0) out += fmt::format(", by at most {:g}", row.apart);
  return out;
}

std::string as_text(const Result& r, bool only_different) {
  std::string out;
  for (const std::string& note : r.mapped.notes) out += note + '\n';
  for (const std::string& warning : r.mapped.warnings) out += "WARNING   " + warning + '\n';
  out += fmt::format("{:<54} {:<20} {:>10} {:>10} {:>10} {:>10}  {}\n", "tensor", "shape", "peak ulp", "p99 ulp",
                     "rel L2", "cosine", "verdict");
  for (const Row& row : r.rows) {
    if (only_different && row.same()) continue;
    if (!row.problem.empty()) {
      out += fmt::format("{:<54} {}  DIFFERS\n", row.name, row.problem);
      continue;
    }
    const Comparison& d = row.distance;
    const std::string count = row.exact ? "" : fmt::format(", {} elements", row.beyond),
                      where = row.same() ? ""
                                         : fmt::format("{}, worst {}: {} against {}", count,
                                                       index_text(row.a, row.worst), row.a_worst, row.b_worst);
    const std::string numbers = row.exact ? fmt::format("{:>43}", integers_text(row))
                                          : fmt::format("{:>10.3g} {:>10.3g} {:>10.2e} {:>10.7f}", d.peak_ulp,
                                                        d.p99_ulp, d.relative_l2, d.cosine);
    out += fmt::format("{:<54} {:<20} {}  {}{}\n", row.name, concat(row.a), numbers,
                       row.same() ? (d.peak_ulp == 0 ? "same" : "within") : "DIFFERS", where);
  }
  const auto differing = std::count_if(r.rows.begin(), r.rows.end(), [](const Row& row) { return !row.same(); });
  out += fmt::format("{} compared, {} differ; {} only in the first file, {} only in the second\n", r.rows.size(),
                     differing, r.only_a.size(), r.only_b.size());
  return out;
}

Json as_json(const Result& r, const Flags& f) {
  Json out = result_header("diff");
  out["a"] = f.a;
  out["b"] = f.b;
  out["tensors"] = Json::array();
  for (const Row& row : r.rows) {
    if (f.only_different && row.same()) continue;
    Json j = {{"name", row.name}, {"a", concat(row.a)}, {"b", concat(row.b)}, {"same", row.same()}};
    if (row.problem.empty()) {
      const Comparison& d = row.distance;
      if (row.exact) {
        j["largest_difference"] = static_cast<double>(row.apart);
      } else {
        j.update(
            {{"peak_ulp", d.peak_ulp}, {"p99_ulp", d.p99_ulp}, {"relative_l2", d.relative_l2}, {"cosine", d.cosine}});
      }
      j.update({{"worst_index", row.worst}, {"elements_beyond", row.beyond}});
    }
    out["tensors"].push_back(std::move(j));
  }
  out["only_a"] = r.only_a;
  out["only_b"] = r.only_b;
  return out;
}

int run(const Flags& f) {
  check_output(f.output, Output::text);
  const Result r = compare_files(f);
  if (r.rows.empty())
    input_error(f.a, " and ", f.b, " have no tensor name in common",
                !f.only.empty()  ? concat(" that matches --only ", f.only)
                : f.maps.empty() ? " (see --map)"
                                 : "");
  if (f.json) {
    write_json(as_json(r, f), f.output);
  } else {
    write_result(as_text(r, f.only_different), f.output);
  }
  const bool same = std::all_of(r.rows.begin(), r.rows.end(), [](const Row& row) { return row.same(); });
  return same || f.exit_zero ? 0 : static_cast<int>(ExitCode::differs);
}

/// A finite number of 0 or more.
CLI::Validator tolerance() {
  return CLI::Validator(
      [](std::string& text) {
        double value = 0;
        const bool number = CLI::detail::lexical_cast(text, value);
        return number && std::isfinite(value) && value >= 0 ? "" : text + " is not a number of 0 or more";
      },
      "NUMBER >= 0");
}

}  // namespace

void add_diff(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("diff", "Compare two tensor files: ulps, relative L2, cosine, worst index");
  verb->add_option("a", flags->a, "a file of tensors (safetensors, torch.save, npz, npy) or a folder of them")
      ->required();
  verb->add_option("b", flags->b, "another one")->required();
  verb->add_option("--map", flags->maps,
                   concat("rewrites names of the second file: PATTERN=REPLACEMENT, or one of ", name_map_names(),
                          "; may be repeated"));
  verb->add_option("--only", flags->only, "only tensors whose name matches this regular expression");
  verb->add_option("--rtol", flags->rtol, "allowed |a - b| as a part of |a|; integers must be equal anyhow")
      ->check(tolerance());
  verb->add_option("--atol", flags->atol, "allowed |a - b|, added to it")->check(tolerance());
  verb->add_flag("--only-different", flags->only_different, "print only tensors that differ");
  verb->add_flag("--json", flags->json, "print JSON (glmv.diff/1)");
  verb->add_flag("--exit-zero", flags->exit_zero, "exit code 0 even if something differs");
  verb->add_option("-o,--output", flags->output, "write the result to a file")->check(not_empty());
  verb->footer(kExamples);
  verb->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace glmv::cli
