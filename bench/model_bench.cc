#include "bench/model_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "bench/machine.h"
#include "bench/row.h"
#include "reference/core/utc.h"
#include "reference/model/generate.h"
#include "reference/model/summary.h"

namespace glmv::bench {
namespace {

constexpr double kWorthExplaining = 0.15;

struct Pass {
  double prefill = 0, decode = 0;
};

/// Fills the session with prompts and decodes; seconds of each phase.
Pass run_once(const Model& model, const DeviceWeights::Shared& weights, const ModelBenchOptions& o, bool graphs,
              const std::function<void()>& between) {
  SessionOptions options;
  options.activation = o.activation;
  options.max_tokens = o.prompt + o.generated + 1;
  options.sequences = o.sequences;
  options.graphs = graphs;
  BatchSession session(model, weights, options);
  std::vector<int64_t> live;
  for (int64_t i = 0; i < o.sequences; ++i) {
    live.push_back(session.add(random_prompt(model.config, o.prompt, static_cast<uint64_t>(i))));
    session.token(live.back());
  }
  between();
  for (int64_t i = 0; i < o.generated; ++i) {
    session.step();
    for (const int64_t s : live) session.token(s);
  }
  const Timings& t = session.timings();
  return {1e-9 * static_cast<double>(t.prefill_ns), 1e-9 * static_cast<double>(t.decode_ns)};
}

double floor_of(const std::vector<PassPart>& parts, const Peaks& peaks, DType type) {
  double seconds = 0;
  for (const PassPart& p : parts) seconds += p.count * roofline(p.cost, peaks, type).seconds;
  return seconds;
}

double mean(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x;
  return sum / static_cast<double>(v.size());
}

double deviation(const std::vector<double>& v) {
  if (v.size() < 2) return 0;
  const double m = mean(v);
  double sum = 0;
  for (const double x : v) sum += (x - m) * (x - m);
  return std::sqrt(sum / static_cast<double>(v.size() - 1));
}

std::string explained(const ModelPhase& p) {
  if (std::abs(p.gap()) <= kWorthExplaining) return "";
  return fmt::format(
      "  {:.0f} % of the pass is in no op: batches and page tables, activations' memory, fetching tokens, and between "
      "ops\n",
      100 * p.gap());
}

}  // namespace

double ModelPhase::ops_seconds() const {
  double sum = 0;
  for (const OpTime& t : ops) sum += t.seconds;
  return sum;
}

double ModelPhase::gap() const { return timed_seconds > 0 ? 1 - ops_seconds() / timed_seconds : 0; }

PublishedModel sizes_of(const ModelConfig& config) {
  const TextConfig& t = config.text;
  PublishedModel m{};
  m.name = "";
  m.hidden = t.hidden_size, m.layers = t.num_layers;
  m.dense_layers = t.num_experts > 0 ? std::min(t.first_dense_layers, t.num_layers) : t.num_layers;
  m.heads = t.num_heads, m.kv_heads = t.num_kv_heads, m.width = t.head_dim, m.rotary_pairs = t.rotary_dim / 2;
  m.dense_ffn = t.intermediate_size, m.experts = t.num_experts, m.top_k = t.num_experts_per_tok;
  m.expert_ffn = t.moe_intermediate_size, m.vocabulary = t.vocab_size;
  return m;
}

ModelBenchResult run_model_bench(const Model& model, const DeviceWeights::Shared& weights, const Peaks& peaks,
                                 const ModelBenchOptions& o) {
  const PublishedModel sizes = sizes_of(model.config);
  const auto bytes = static_cast<double>(size_of(o.activation));
  const Widths widths{2, bytes, bytes};
  const auto d = [](int64_t n) { return static_cast<double>(n); };
  ModelPhase prefill, decode;
  prefill.name = concat("pp", o.prompt), prefill.prompt = o.prompt;
  prefill.tokens = d(o.prompt * o.sequences);
  prefill.floor_seconds = d(o.sequences) * floor_of(prefill_parts(sizes, d(o.prompt), widths), peaks, o.activation);
  decode.name = concat("tg", o.generated), decode.generated = o.generated, decode.depth = o.prompt;
  decode.tokens = d(o.generated * o.sequences);
  for (int64_t i = 0; i < o.generated; ++i) {
    decode.floor_seconds +=
        floor_of(decode_parts(sizes, d(o.sequences), d(o.prompt + i + 1), widths), peaks, o.activation);
  }
  for (int r = -1; r < o.repetitions; ++r) {
    const Pass pass = run_once(model, weights, o, true, [] {});
    if (r < 0) continue;
    prefill.seconds.push_back(pass.prefill);
    decode.seconds.push_back(pass.decode);
  }
  time_ops(true);
  const Pass timed = run_once(model, weights, o, false, [&] {
    prefill.ops = op_times();
    time_ops(true);
  });
  decode.ops = op_times();
  time_ops(false);
  prefill.timed_seconds = timed.prefill, decode.timed_seconds = timed.decode;
  ModelBenchResult result;
  result.weight_bytes = d(static_cast<int64_t>(weights->bytes()));
  result.parameters = d(summarise(model.config).parameters);
  result.phases = {prefill, decode};
  return result;
}

std::string model_bench_json(const ModelBenchResult& result, const ModelConfig& config, const std::string& backend,
                             const ModelBenchOptions& options) {
  using Json = nlohmann::ordered_json;
  const Machine& m = this_machine();
  const std::string time = now_utc();
  Json out = Json::array();
  for (const ModelPhase& p : result.phases) {
    Json ns = Json::array(), rates = Json::array();
    std::vector<double> ts;
    for (const double s : p.seconds) {
      ts.push_back(p.tokens / s);
      ns.push_back(std::llround(1e9 * s));
      rates.push_back(ts.back());
    }
    Json ops = Json::array();
    for (const OpTime& t : p.ops)
      ops.push_back({{"op", t.op}, {"calls", t.calls}, {"duration_ns", std::llround(1e9 * t.seconds)}});
    out.push_back({{"schema", "glmv.model_bench/1"},
                   {"build_commit", m.commit},
                   {"cpu_info", m.cpu},
                   {"gpu_info", ""},
                   {"backends", backend},
                   {"model_filename", config.path},
                   {"model_type", config.model_type},
                   {"model_size", result.weight_bytes},
                   {"model_n_params", result.parameters},
                   {"n_threads", m.threads},
                   {"type_k", name_of(options.activation)},
                   {"type_v", name_of(options.activation)},
                   {"n_prompt", p.prompt},
                   {"n_gen", p.generated},
                   {"n_depth", p.depth},
                   {"n_sequences", options.sequences},
                   {"n_layers", config.text.num_layers},
                   {"test_time", time},
                   {"avg_ns", std::llround(1e9 * mean(p.seconds))},
                   {"stddev_ns", std::llround(1e9 * deviation(p.seconds))},
                   {"avg_ts", mean(ts)},
                   {"stddev_ts", deviation(ts)},
                   {"samples_ns", ns},
                   {"samples_ts", rates},
                   {"floor_ns", std::llround(1e9 * p.floor_seconds)},
                   {"pct_floor", 100 * p.floor_seconds / mean(p.seconds)},
                   {"timed_ops_pass_ns", std::llround(1e9 * p.timed_seconds)},
                   {"ops_ns", std::llround(1e9 * p.ops_seconds())},
                   {"ops", ops}});
  }
  return out.dump(1) + '\n';
}

std::string model_bench_text(const ModelBenchResult& result) {
  std::string out =
      fmt::format("{:<8} {:>14} {:>10} {:>14} {:>9}\n", "phase", "tokens/s", "+-", "floor allows", "of floor");
  for (const ModelPhase& p : result.phases) {
    std::vector<double> rates;
    for (const double s : p.seconds) rates.push_back(p.tokens / s);
    const bool floor = p.floor_seconds > 0;
    out += fmt::format("{:<8} {:>14.2f} {:>10.2f} {:>14} {:>9}\n", p.name, mean(rates), deviation(rates),
                       floor ? fmt::format("{:.2f}", p.tokens / p.floor_seconds) : "-",
                       floor ? fmt::format("{:.0f} %", 100 * p.floor_seconds / mean(p.seconds)) : "-");
  }
  if (result.weight_bytes < static_cast<double>(this_machine().last_cache_bytes))
    out += "the weights fit into the cache, so memory is no floor\n";
  for (const ModelPhase& p : result.phases) {
    if (p.ops.empty()) continue;
    out += fmt::format("\n{}: {} with every op timed, {} in ops\n", p.name, duration_text(p.timed_seconds),
                       duration_text(p.ops_seconds()));
    std::vector<OpTime> ops = p.ops;
    std::sort(ops.begin(), ops.end(), [](const OpTime& a, const OpTime& b) { return a.seconds > b.seconds; });
    for (const OpTime& t : ops) {
      out += fmt::format("  {:<22} {:>6} calls {:>10} {:>5.1f} %\n", t.op, t.calls, duration_text(t.seconds),
                         100 * t.seconds / p.timed_seconds);
    }
    out += explained(p);
  }
  return out;
}

}  // namespace glmv::bench
