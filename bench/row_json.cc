// Rows as Google Benchmark's JSON and back.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "bench/row.h"
#include "data/file.h"
#include "data/json_file.h"
#include "data/json_node.h"

namespace glmv::bench {
namespace {

using Json = nlohmann::ordered_json;

Json peaks_json(const Peaks& p) {
  return {{"source", p.source},
          {"read_bytes_per_s", p.read_bytes_per_s},
          {"copy_bytes_per_s", p.copy_bytes_per_s},
          {"f32_flops_per_s", p.f32_flops_per_s},
          {"bf16_flops_per_s", p.bf16_flops_per_s},
          {"fp8_flops_per_s", p.fp8_flops_per_s}};
}

Json context_json(const BenchResult& result) {
  const Machine& m = result.machine;
  Json ceilings = Json::array();
  for (const Ceilings& c : result.ceilings) {
    ceilings.push_back({{"backend", c.backend},
                        {"device", c.device},
                        {"l2_bytes", c.facts.l2_bytes},
                        {"multiprocessors", c.facts.multiprocessors},
                        {"driver", c.facts.driver},
                        {"runtime", c.facts.runtime},
                        {"measured", peaks_json(c.measured)},
                        {"sheet", peaks_json(c.sheet)}});
    if (!c.doubt.empty()) ceilings.back()["doubt"] = c.doubt;
  }
  return {{"date", result.created},
          {"host_name", m.host},
          {"executable", "glmv bench"},
          {"num_cpus", m.cpus},
          {"load_avg", Json::array({result.load})},
          {"library_build_type", "release"},
          {"glmv",
           {{"schema", "glmv.bench/1"},
            {"version", result.version},
            {"commit", m.commit},
            {"command", result.command},
            {"cpu", m.cpu},
            {"threads", m.threads},
            {"last_cache_bytes", m.last_cache_bytes},
            {"governor", m.governor},
            {"kernel", m.kernel},
            {"os", m.os},
            {"compiler", m.compiler},
            {"build", m.build},
            {"ceilings", ceilings}}}};
}

/// Google Benchmark's own keys.
void add_times(Json& j, const Row& r) {
  const std::vector<double> all = pooled(r.seconds);
  double sum = 0;
  for (const double s : all) sum += s;
  j["iterations"] = all.size();
  j["real_time"] = 1e6 * sum / static_cast<double>(all.size());
  j["cpu_time"] = 1e6 * r.cpu_seconds;
  j["time_unit"] = "us";
}

void add_counters(Json& j, const Row& r) {
  j["flops"] = r.cost.flops;
  j["bytes"] = r.cost.bytes;
  j["ai"] = intensity(r.cost);
  j["experts_touched"] = r.experts_touched;
  j["most_rows"] = r.most_rows;
  j["pad_eff"] = r.pad_efficiency;
  j["max_err"] = r.of_allowed;
  j["worst_ulp"] = r.worst_ulp;
  if (!r.has_time()) return;
  j["tflops"] = r.flops_per_s() / 1e12;
  j["gbps"] = r.bytes_per_s() / 1e9;
  j["roofline_us"] = 1e6 * r.measured.seconds;
  j["pct_roofline"] = 100 * r.of_roofline();
  j["pct_sheet"] = 100 * r.of_sheet();
  j["bound"] = static_cast<int>(r.measured.bound);
  j["median_us"] = 1e6 * r.quantile_seconds(0.5);
  j["p10_us"] = 1e6 * r.quantile_seconds(0.1);
  j["p25_us"] = 1e6 * r.quantile_seconds(0.25);
  j["p75_us"] = 1e6 * r.quantile_seconds(0.75);
  j["p90_us"] = 1e6 * r.quantile_seconds(0.9);
  j["min_us"] = 1e6 * r.quantile_seconds(0);
  j["clock_canary_us"] = 1e6 * r.canary_seconds;
  j["flush_us"] = 1e6 * r.flush_seconds;
}

Json row_json(const Row& r, int64_t index) {
  Json j = {{"name", r.name},          {"family_index", index}, {"per_family_instance_index", 0}, {"run_name", r.name},
            {"run_type", "iteration"}, {"repetitions", 1},      {"repetition_index", 0},          {"threads", 1}};
  if (r.has_time()) add_times(j, r);
  if (r.status == Status::invalid || r.status == Status::left_out) {
    j["error_occurred"] = true;
    j["error_message"] = concat(word_for(r.status), ": ", r.why);
  }
  add_counters(j, r);
  j["case"] = r.case_name;
  j["op"] = r.op;
  j["backend"] = r.backend;
  j["l2"] = r.l2;
  j["clock"] = r.clock;
  j["dtype"] = name_of(r.dtype);
  j["tokens"] = r.tokens;
  j["context_tokens"] = r.context;
  j["status"] = word_for(r.status);
  if (!r.why.empty()) j["why"] = r.why;
  j["samples_ns"] = Json::array();
  for (const auto& round : r.seconds) {
    Json samples = Json::array();
    for (const double s : round) samples.push_back(std::round(1e10 * s) / 10);
    j["samples_ns"].push_back(std::move(samples));
  }
  j["samples_retaken"] = r.retaken;
  j["repro"] = r.repro;
  return j;
}

// ---- Back

double number_at(const JsonNode& n, const char* key) { return n.find(key) == nullptr ? 0 : n.at(key).number(); }
int64_t integer_at(const JsonNode& n, const char* key) { return n.find(key) == nullptr ? 0 : n.at(key).integer(); }
std::string text_at(const JsonNode& n, const char* key) { return n.find(key) == nullptr ? "" : n.at(key).text(); }

Peaks peaks_from(const JsonNode& n) {
  return {text_at(n, "source"),
          number_at(n, "read_bytes_per_s"),
          number_at(n, "copy_bytes_per_s"),
          number_at(n, "f32_flops_per_s"),
          number_at(n, "bf16_flops_per_s"),
          number_at(n, "fp8_flops_per_s")};
}

Status status_from(const JsonNode& n) {
  const std::string word = n.text();
  for (const Status s : {Status::timed, Status::unstable, Status::invalid, Status::left_out}) {
    if (word == word_for(s)) return s;
  }
  n.refuse("ok, unstable, INVALID or left out");
}

Rounds samples_from(const JsonNode& n) {
  Rounds rounds;
  for (const JsonNode& round : n.list()) {
    rounds.emplace_back();
    for (const JsonNode& sample : round.list()) {
      if (!(sample.number() > 0)) sample.refuse("a time above 0");
      rounds.back().push_back(1e-9 * sample.number());
    }
  }
  return rounds;
}

Row row_from(const JsonNode& n) {
  Row r;
  r.name = n.at("name").text();
  r.case_name = n.at("case").text(), r.op = n.at("op").text();
  r.backend = n.at("backend").text(), r.l2 = n.at("l2").text();
  r.clock = text_at(n, "clock"), r.why = text_at(n, "why"), r.repro = text_at(n, "repro");
  r.status = status_from(n.at("status"));
  r.seconds = samples_from(n.at("samples_ns"));
  if (r.has_time() && pooled(r.seconds).empty()) n.at("samples_ns").refuse("at least one sample of what was timed");
  r.retaken = integer_at(n, "samples_retaken");
  r.cost = {number_at(n, "flops"), number_at(n, "bytes")};
  r.tokens = integer_at(n, "tokens"), r.context = integer_at(n, "context_tokens");
  r.experts_touched = integer_at(n, "experts_touched"), r.most_rows = integer_at(n, "most_rows");
  r.pad_efficiency = number_at(n, "pad_eff");
  r.of_allowed = number_at(n, "max_err"), r.worst_ulp = number_at(n, "worst_ulp");
  r.cpu_seconds = 1e-6 * number_at(n, "cpu_time");
  r.canary_seconds = 1e-6 * number_at(n, "clock_canary_us"), r.flush_seconds = 1e-6 * number_at(n, "flush_us");
  r.measured.seconds = 1e-6 * number_at(n, "roofline_us");
  r.measured.bound = integer_at(n, "bound") == 1 ? Bound::compute : Bound::memory;
  if (r.has_time()) r.sheet.seconds = number_at(n, "pct_sheet") / 100 * r.quantile_seconds(0.5);
  return r;
}

}  // namespace

std::string to_json(const BenchResult& result) {
  Json out = {{"context", context_json(result)}, {"benchmarks", Json::array()}};
  int64_t index = 0;
  for (const Row& r : result.rows) out["benchmarks"].push_back(row_json(r, index++));
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + '\n';
}

BenchResult read_bench_result(const std::string& path) {
  const nlohmann::json json = parse_json_object(read_file(path), path);
  const JsonNode root{json, path + ":"};
  BenchResult result;
  const JsonNode context = root.at("context"), ours = context.at("glmv");
  if (ours.at("schema").text() != "glmv.bench/1") ours.at("schema").refuse("glmv.bench/1");
  result.created = text_at(context, "date"), result.version = text_at(ours, "version");
  result.command = text_at(ours, "command");
  Machine& m = result.machine;
  m.host = text_at(context, "host_name"), m.cpu = text_at(ours, "cpu"), m.commit = text_at(ours, "commit");
  m.governor = text_at(ours, "governor"), m.kernel = text_at(ours, "kernel"), m.os = text_at(ours, "os");
  m.compiler = text_at(ours, "compiler"), m.build = text_at(ours, "build");
  m.cpus = static_cast<int>(integer_at(context, "num_cpus")), m.threads = static_cast<int>(integer_at(ours, "threads"));
  m.last_cache_bytes = integer_at(ours, "last_cache_bytes");
  if (const nlohmann::json* load = context.find("load_avg"); load != nullptr) {
    for (const JsonNode& l : context.at("load_avg").list()) result.load = l.number();
  }
  const bool has_ceilings = ours.find("ceilings") != nullptr;
  for (const JsonNode& c : has_ceilings ? ours.at("ceilings").list() : std::vector<JsonNode>()) {
    Ceilings ceilings;
    ceilings.doubt = text_at(c, "doubt");
    ceilings.backend = c.at("backend").text(), ceilings.device = text_at(c, "device");
    ceilings.facts.l2_bytes = integer_at(c, "l2_bytes");
    ceilings.measured = peaks_from(c.at("measured")), ceilings.sheet = peaks_from(c.at("sheet"));
    result.ceilings.push_back(std::move(ceilings));
  }
  std::set<std::string> names;
  for (const JsonNode& row : root.at("benchmarks").list()) {
    result.rows.push_back(row_from(row));
    if (!names.insert(result.rows.back().name).second) row.at("name").refuse("a name that no other row has");
  }
  return result;
}

}  // namespace glmv::bench
