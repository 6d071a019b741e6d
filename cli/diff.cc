// diff: two tensor files, tensor by tensor.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>

#include "cli/flags.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "data/safetensors.h"
#include "reference/core/compare.h"

namespace glmv::cli {
namespace {

struct Flags {
  std::string a, b, output, only;
  std::vector<std::string> maps;
  double rtol = -1, atol = 0;
  bool json = false, exit_zero = false;
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
  int64_t beyond = 0;   ///< elements outside --rtol, --atol (different elements, if neither is given)
  std::string problem;  ///< extents differ
  bool same() const { return beyond == 0 && problem.empty(); }
};

/// The coarser of two storage types: distances are told in its ulps.
DType coarser(DType a, DType b) {
  if (!is_float(a) || !is_float(b)) return DType::f32;
  return ulp_at(a, 1.0) > ulp_at(b, 1.0) ? a : b;
}

int64_t beyond_tolerance(const ConstTensorView& a, const ConstTensorView& b, const Flags& f) {
  if (f.rtol < 0 && f.atol <= 0) return compare_exact(a, b).different;
  Tensor x(DType::f64, a), y(DType::f64, b);
  convert(a, x.view);
  convert(b, y.view);
  int64_t n = 0;
  for (int64_t i = 0; i < a.size(); ++i) {
    const double p = x.data<double>()[i], q = y.data<double>()[i];
    const bool equal = p == q || (std::isnan(p) && std::isnan(q));
    n += !equal && !(std::abs(p - q) <= f.atol + std::max(f.rtol, 0.0) * std::abs(p));
  }
  return n;
}

Row compare_tensors(const std::string& name, const ConstTensorView& a, const ConstTensorView& b, const Flags& f) {
  Row row{name, a, b, {}, 0, ""};
  bool equal_extents = a.rank == b.rank;
  for (int i = 0; equal_extents && i < a.rank; ++i) equal_extents = a.dim[i] == b.dim[i];
  if (!equal_extents) {
    row.problem = concat(a, " against ", b);
    return row;
  }
  row.distance = distance(a, b, coarser(a.dtype, b.dtype));
  row.beyond = beyond_tolerance(a, b, f);
  return row;
}

/// "PATTERN=REPLACEMENT" applied to a name.
std::string mapped(std::string name, const std::vector<std::string>& maps) {
  for (const std::string& map : maps) {
    const size_t at = map.find('=');
    if (at == std::string::npos) usage_error("--map ", map, ": expected PATTERN=REPLACEMENT");
    try {
      name = std::regex_replace(name, std::regex(map.substr(0, at)), map.substr(at + 1));
    } catch (const std::regex_error& e) {
      usage_error("--map ", map, ": not a regular expression: ", e.what());
    }
  }
  return name;
}

struct Result {
  std::vector<Row> rows;
  std::vector<std::string> only_a, only_b;
};

Result compare_files(const Flags& f) {
  const SafetensorsFile a = SafetensorsFile::open(f.a), b = SafetensorsFile::open(f.b);
  std::map<std::string, ConstTensorView> in_b;
  for (const auto& [name, view] : b.tensors()) {
    if (!in_b.emplace(mapped(name, f.maps), view).second)
      usage_error("--map gives two tensors of ", f.b, " one name: ", mapped(name, f.maps));
  }
  std::regex wanted;
  try {
    wanted = std::regex(f.only.empty() ? ".*" : f.only);
  } catch (const std::regex_error& e) {
    usage_error("--only ", f.only, ": not a regular expression: ", e.what());
  }
  Result r;
  for (const auto& [name, view] : a.tensors()) {
    if (!f.only.empty() && !std::regex_search(name, wanted)) continue;
    const auto other = in_b.find(name);
    if (other == in_b.end()) {
      r.only_a.push_back(name);
    } else {
      r.rows.push_back(compare_tensors(name, view, other->second, f));
    }
  }
  for (const auto& [name, view] : in_b) {
    if (!a.has(name) && (f.only.empty() || std::regex_search(name, wanted))) r.only_b.push_back(name);
  }
  return r;
}

std::string as_text(const Result& r) {
  std::string out = fmt::format("{:<54} {:<20} {:>10} {:>10} {:>10} {:>10}  {}\n", "tensor", "shape", "peak ulp",
                                "p99 ulp", "rel L2", "cosine", "verdict");
  for (const Row& row : r.rows) {
    if (!row.problem.empty()) {
      out += fmt::format("{:<54} {}  DIFFERS\n", row.name, row.problem);
      continue;
    }
    const Comparison& d = row.distance;
    const std::string where = row.same() ? ""
                                         : fmt::format(", {} elements, worst {}: {} against {}", row.beyond,
                                                       index_text(row.a, d.worst), d.gold, d.got);
    out += fmt::format("{:<54} {:<20} {:>10.3g} {:>10.3g} {:>10.2e} {:>10.7f}  {}{}\n", row.name, concat(row.a),
                       d.peak_ulp, d.p99_ulp, d.relative_l2, d.cosine,
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
    Json j = {{"name", row.name}, {"a", concat(row.a)}, {"b", concat(row.b)}, {"same", row.same()}};
    if (row.problem.empty()) {
      const Comparison& d = row.distance;
      j.update({{"peak_ulp", d.peak_ulp},
                {"p99_ulp", d.p99_ulp},
                {"relative_l2", d.relative_l2},
                {"cosine", d.cosine},
                {"worst_index", d.worst},
                {"elements_beyond", row.beyond}});
    }
    out["tensors"].push_back(std::move(j));
  }
  out["only_a"] = r.only_a;
  out["only_b"] = r.only_b;
  return out;
}

int run(const Flags& f) {
  const Result r = compare_files(f);
  if (r.rows.empty())
    input_error(f.a, " and ", f.b, " have no tensor name in common", f.maps.empty() ? " (see --map)" : "");
  if (f.json) {
    write_json(as_json(r, f), f.output);
  } else {
    write_result(as_text(r), f.output);
  }
  const bool same = std::all_of(r.rows.begin(), r.rows.end(), [](const Row& row) { return row.same(); });
  return same || f.exit_zero ? 0 : static_cast<int>(ExitCode::differs);
}

}  // namespace

void add_diff(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("diff", "Compare two tensor files: ulps, relative L2, cosine, worst index");
  verb->add_option("a", flags->a, "a safetensors file")->required();
  verb->add_option("b", flags->b, "another one")->required();
  verb->add_option("--map", flags->maps, "PATTERN=REPLACEMENT: rewrites names of the second file; may be repeated");
  verb->add_option("--only", flags->only, "only tensors whose name matches this regular expression");
  verb->add_option("--rtol", flags->rtol, "allowed |a - b| as a part of |a|")->check(CLI::NonNegativeNumber);
  verb->add_option("--atol", flags->atol, "allowed |a - b|, added to it")->check(CLI::NonNegativeNumber);
  verb->add_flag("--json", flags->json, "print JSON (glmv.diff/1)");
  verb->add_flag("--exit-zero", flags->exit_zero, "exit code 0 even if something differs");
  verb->add_option("-o,--output", flags->output, "write the result to a file");
  verb->footer(kExamples);
  verb->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace glmv::cli
