// Check, then time: on a backend whose clock is ours, so that what is slow, wrong or the same is known.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <map>
#include <set>

#include "bench/compare.h"
#include "bench/page.h"
#include "bench/runner.h"
#include "data/file.h"
#include "reference/all_cases.h"
#include "reference/linear.h"
#include "reference/rmsnorm.h"
#include "tests/cli_fixture.h"

namespace glmv::bench {
namespace {

/// The clock of the backends below, in seconds, and how often their op was called.
double now_seconds = 0;
int64_t calls = 0;
uint64_t noise_state = 1;

/// A call takes `seconds`, give or take a percent.
void spend(double seconds) {
  ++calls;
  noise_state = noise_state * 6364136223846793005u + 1442695040888963407u;
  now_seconds += seconds * (1 + 0.01 * static_cast<double>(noise_state >> 40) / (1 << 24));
}

template <int kMicroseconds>
void norm_taking(const RmsNormArgs& a, Exec e) {
  ref::rmsnorm(a, e);
  spend(1e-6 * kMicroseconds);
}

/// The last element of every row is its neighbour.
void norm_off_by_one(const RmsNormArgs& a, Exec e) {
  ref::rmsnorm(a, e);
  auto* out = static_cast<bf16*>(a.out.data);
  for (int64_t t = 0; t < a.out.dim[0]; ++t) out[(t + 1) * a.out.dim[1] - 1] = out[(t + 1) * a.out.dim[1] - 2];
  spend(1e-6);
}

Backend with_clock(std::string_view name, void (*norm)(const RmsNormArgs&, Exec)) {
  Backend b = cpu_backend();
  b.name = name;
  b.ops.rmsnorm.run = norm;
  b.events.make = []() -> void* { return new double(0); };
  b.events.record = [](void* event, Stream) { *static_cast<double*>(event) = now_seconds; };
  b.events.seconds = [](void* first, void* last) { return *static_cast<double*>(last) - *static_cast<double*>(first); };
  b.events.free = [](void* event) { delete static_cast<double*>(event); };
  return b;
}

const Case& norm_case() { return find_case("rmsnorm/bf16_hf_T64_H4096"); }

Protocol with_our_clock() {
  Protocol p;
  p.l2 = CacheState::warm;
  p.watch_machine = false;
  return p;
}

std::vector<Row> rows_on(const std::vector<const Backend*>& backends, const Case& c = norm_case(),
                         const Protocol& protocol = with_our_clock()) {
  std::vector<Contender> contenders;
  for (const Backend* b : backends) contenders.push_back({b, nullptr});
  std::vector<Ceilings> ceilings(contenders.size());
  for (Ceilings& x : ceilings) x.measured.read_bytes_per_s = 1e10, x.measured.f32_flops_per_s = 1e11;
  CaseSession session(c, contenders, protocol);
  return run_case_session(session, ceilings, protocol);
}

TEST(Protocol, TimesWhatIsRight) {
  const Backend b = with_clock("a", norm_taking<100>);
  calls = 0;
  const Row r = rows_on({&b})[0];
  EXPECT_EQ(r.status, Status::timed) << r.why;
  EXPECT_EQ(r.seconds.size(), 3u);
  EXPECT_GE(pooled(r.seconds).size(), 6u);
  EXPECT_NEAR(r.quantile_seconds(0.5), 100.5e-6, 0.5e-6);
  EXPECT_EQ(r.clock, "events");
  EXPECT_GT(calls, static_cast<int64_t>(pooled(r.seconds).size())) << "it was warmed up";
  EXPECT_GT(r.of_allowed, 0);
  EXPECT_NEAR(r.bytes_per_s(), 1048576 / 100.5e-6, 0.01 * 1048576 / 100.5e-6);
  EXPECT_NEAR(r.of_roofline(), 1048576 / 1e10 / 100.5e-6, 0.01);
  EXPECT_EQ(r.repro, "glmv bench 'rmsnorm/bf16_hf_T64_H4096' --backend a --l2 warm --seed 1");
}

TEST(Protocol, AWrongKernelIsInvalidAndNotTimed) {
  const Backend wrong = with_clock("wrong", norm_off_by_one);
  calls = 0;
  const Row r = rows_on({&wrong})[0];
  EXPECT_EQ(r.status, Status::invalid);
  EXPECT_EQ(calls, 1) << "it was run to be checked, and never again";
  EXPECT_TRUE(r.seconds.empty());
  EXPECT_NE(r.why.find(",4095]"), std::string::npos) << r.why;
  EXPECT_NE(to_text({"", "", "", {}, 0, {}, {r}}).find("INVALID"), std::string::npos);
}

TEST(Protocol, AnErrorOfAKernelIsInvalidToo) {
  const Backend throws = with_clock("throws", [](const RmsNormArgs&, Exec) { GLMV_CHECK(false, "no such shape"); });
  const Row r = rows_on({&throws})[0];
  EXPECT_EQ(r.status, Status::invalid);
  EXPECT_NE(r.why.find("no such shape"), std::string::npos);
}

TEST(Protocol, WhatABackendLacksIsLeftOut) {
  Backend lacks = with_clock("lacks", norm_taking<1>);
  lacks.ops.rmsnorm = {};
  EXPECT_EQ(rows_on({&lacks})[0].status, Status::left_out);
}

TEST(Protocol, APlantedSlowKernelIsSlower) {
  const Backend a = with_clock("a", norm_taking<100>), b = with_clock("b", norm_taking<115>);
  const std::vector<Row> rows = rows_on({&a, &b});
  const auto compared = compare_rows(rows_of(rows, "a", "b"), rows_of(rows, "b", "b"), {});
  ASSERT_EQ(compared.size(), 1u);
  EXPECT_EQ(compared[0].verdict, Verdict::slower) << compared[0].why;
  const auto back = compare_rows(rows_of(rows, "b", "a"), rows_of(rows, "a", "a"), {});
  EXPECT_EQ(back[0].verdict, Verdict::faster);
}

TEST(Protocol, TheSameKernelTwiceIsTheSame) {
  const Backend a = with_clock("a", norm_taking<100>), b = with_clock("b", norm_taking<100>);
  for (int i = 0; i < 20; ++i) {
    const std::vector<Row> rows = rows_on({&a, &b}, find_case("rmsnorm/bf16_hf_T1_H4096"));
    EXPECT_EQ(compare_rows(rows_of(rows, "a", "b"), rows_of(rows, "b", "b"), {})[0].verdict, Verdict::same);
  }
}

std::vector<std::string> order_of_calls;
template <char kName>
void norm_that_signs(const RmsNormArgs& a, Exec e) {
  ref::rmsnorm(a, e);
  if (order_of_calls.empty() || order_of_calls.back() != std::string(1, kName)) order_of_calls.emplace_back(1, kName);
  spend(1e-4);
}

TEST(Protocol, RoundsAlternate) {
  const Backend a = with_clock("a", norm_that_signs<'a'>), b = with_clock("b", norm_that_signs<'b'>);
  Protocol p = with_our_clock();
  p.repeat_unstable = false;
  order_of_calls.clear();
  rows_on({&a, &b}, norm_case(), p);
  // Checked a, b; then rounds A B, B A, A B: two in a row are one entry.
  const std::vector<std::string> wanted = {"a", "b", "a", "b", "a", "b"};
  EXPECT_EQ(order_of_calls, wanted);
}

// ---- Sampled rows

/// A product that leaves one row unwritten, or wrong, among many.
int64_t spoiled_row = -1;
void linear_with_a_gap(const LinearArgs& a, Exec e) {
  ref::linear(a, e);
  if (spoiled_row < 0 || spoiled_row >= a.out.dim[0]) return;
  auto* row = static_cast<bf16*>(a.out.data) + spoiled_row * a.out.stride[0];
  row[3] = bf16(std::numeric_limits<float>::quiet_NaN());
}
void linear_with_an_error(const LinearArgs& a, Exec e) {
  ref::linear(a, e);
  if (spoiled_row < 0 || spoiled_row >= a.out.dim[0]) return;
  auto* row = static_cast<bf16*>(a.out.data) + spoiled_row * a.out.stride[0];
  row[3] = bf16(static_cast<float>(row[3]) + 8.0f);
}

TEST(Sampling, ChecksSomeRowsAndLooksAtAll) {
  const Case& c = find_case("linear/vision_o_bf16_T576_N1536_K1536");
  const std::vector<int64_t> rows = sampled_rows(c);
  ASSERT_GE(rows.size(), 4u);
  EXPECT_EQ(rows.front(), 0);
  EXPECT_EQ(rows.back(), 575);
  const CaseTruth truth(c, cpu_backend(), 1);
  Backend gap = cpu_backend(), error = cpu_backend();
  gap.ops.linear.run = linear_with_a_gap, error.ops.linear.run = linear_with_an_error;
  spoiled_row = -1;
  EXPECT_EQ(truth.judge(gap).status, CaseReport::Status::passed);
  spoiled_row = rows[1] + 1;  // not sampled: only what is no number is seen
  const CaseReport unwritten = truth.judge(gap);
  EXPECT_EQ(unwritten.status, CaseReport::Status::failed);
  EXPECT_NE(unwritten.failures().find(concat('[', spoiled_row, ",3]")), std::string::npos) << unwritten.failures();
  EXPECT_EQ(truth.judge(error).status, CaseReport::Status::passed);
  spoiled_row = rows[1];
  const CaseReport wrong = truth.judge(error);
  EXPECT_EQ(wrong.status, CaseReport::Status::failed);
  EXPECT_NE(wrong.failures().find(concat('[', spoiled_row, ",3]")), std::string::npos) << wrong.failures();
}

/// A sampled query sees what it sees among all of them: rows of a whole run equal those of the sampled one.
TEST(Sampling, RowsAreThoseOfTheWholeRun) {
  for (const char* name :
       {"attention/batch_bf16_hf_T3_S9_B4_heads4_2_D16_page4", "attention/chunk_f32_T16_S131_B1_heads24_2_D128_page64",
        "attention/vision_f32_T6_S6_B3_heads4_4_D12_page1", "linear/few_bf16_bias_T7_N33_K65",
        "moe_experts/prefill_bf16_hf_T33_H64_F22_E16_K8", "mrope/half_split_f32_T7_heads12_D128_J32",
        "fused_add_rmsnorm/bf16_hf_T64_H128", "rmsnorm/in_place/f32_T5_H24"}) {
    const Case& c = find_case(name);
    const std::vector<int64_t> sample = {0, 2, c.tokens - 1};
    const auto outputs = [&](const std::vector<int64_t>* rows) {
      CaseRun run(cpu_backend(), c.dtype, c.dtype, 5, {CaseRun::Mode::plain, rows, nullptr});
      c.build(run, cpu_backend().ops)({});
      std::map<std::string, Tensor> out;
      for (const CaseRun::Item& item : run.items()) {
        if (item.is_output) out[item.name] = run.fetch(item);
      }
      return out;
    };
    const auto whole = outputs(nullptr), part = outputs(&sample);
    for (const auto& [output, all] : whole) {
      for (size_t i = 0; i < sample.size(); ++i) {
        const TensorView a = slice(all.view, 0, sample[i], sample[i] + 1);
        const auto at = static_cast<int64_t>(i);
        EXPECT_EQ(compare_exact(a, slice(part.at(output).view, 0, at, at + 1)).different, 0)
            << name << " row " << sample[i];
      }
    }
  }
}

// ---- Selection, files

TEST(Selection, WordsTokensAndNames) {
  const auto names = [](const std::vector<std::string>& ops, const std::vector<int64_t>& tokens) {
    std::set<std::string> found;
    for (const Case* c : select_cases({ops, tokens, {}, ""}, all_cases()))
      found.insert(c->name.substr(0, c->name.find('/')));
    return found;
  };
  EXPECT_EQ(names({"moe"}, {1}), (std::set<std::string>{"moe_experts", "moe_route"}));
  EXPECT_EQ(names({"rmsnorm", "attn"}, {}), (std::set<std::string>{"rmsnorm", "attention"}));
  EXPECT_EQ(select_cases({{"rmsnorm/in_place/f32_T5_H24"}, {}, {}, ""}, all_cases()).size(), 1u);
  EXPECT_THROW(select_cases({{"rmsnrm"}, {}, {}, ""}, all_cases()), Error);
  EXPECT_THROW(select_cases({{"rmsnorm"}, {77}, {}, ""}, all_cases()), Error);
  for (const Case* c : select_cases({{"attn"}, {}, {8192}, ""}, all_cases())) EXPECT_EQ(c->context, 8192);
}

class ResultFile : public Cli {};

TEST_F(ResultFile, ComesBackAsItWas) {
  const Backend a = with_clock("a", norm_taking<100>), wrong = with_clock("wrong", norm_off_by_one);
  BenchResult result;
  result.rows = rows_on({&a, &wrong});
  result.machine = this_machine(), result.created = "2026-01-01T00:00:00Z", result.command = "glmv bench \"x\"";
  Ceilings ceilings;
  ceilings.backend = "a", ceilings.measured.read_bytes_per_s = 1e10, ceilings.measured.f32_flops_per_s = 1e11;
  result.ceilings = {ceilings};
  std::ofstream(path("r.json")) << to_json(result);
  const BenchResult back = read_bench_result(path("r.json").string());
  ASSERT_EQ(back.rows.size(), 2u);
  EXPECT_EQ(back.rows[0].name, result.rows[0].name);
  EXPECT_EQ(back.rows[0].seconds.size(), 3u);
  EXPECT_NEAR(back.rows[0].quantile_seconds(0.5), result.rows[0].quantile_seconds(0.5), 1e-10);
  EXPECT_EQ(back.rows[1].status, Status::invalid);
  EXPECT_EQ(back.command, result.command);
  EXPECT_EQ(back.ceilings[0].measured.read_bytes_per_s, 1e10);
  EXPECT_EQ(compare_rows(result.rows, back.rows, {})[0].verdict, Verdict::same);
  // Google Benchmark's keys.
  const Json json = Json::parse(to_json(result));
  for (const char* key : {"name", "run_name", "run_type", "iterations", "real_time", "cpu_time", "time_unit"})
    EXPECT_TRUE(json["benchmarks"][0].contains(key)) << key;
  for (const char* key : {"flops", "bytes", "tflops", "gbps", "ai", "roofline_us", "pct_roofline", "pct_sheet", "bound",
                          "experts_touched", "pad_eff", "p10_us", "p90_us", "max_err", "repro"})
    EXPECT_TRUE(json["benchmarks"][0].contains(key)) << key;
  EXPECT_TRUE(json["benchmarks"][1]["error_occurred"].get<bool>());
  // The other forms hold every row, and the page nothing from elsewhere.
  const std::string page = page_of(result, {}), csv = to_csv(result);
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 3);
  const size_t first = csv.find('\n'), second = csv.find('\n', first + 1);
  EXPECT_EQ(std::count(csv.begin(), csv.begin() + static_cast<int64_t>(first), ','),
            std::count(csv.begin() + static_cast<int64_t>(first), csv.begin() + static_cast<int64_t>(second), ','));
  EXPECT_NE(page.find("<svg"), std::string::npos);
  EXPECT_NE(page.find("INVALID"), std::string::npos);
  EXPECT_EQ(page.find("http"), std::string::npos);
  EXPECT_EQ(page.find("\"x\""), std::string::npos) << "quotes are escaped";
}

TEST_F(ResultFile, LiesAreNamed) {
  const Backend a = with_clock("a", norm_taking<100>);
  BenchResult result;
  result.rows = rows_on({&a});
  const Json good = Json::parse(to_json(result));
  const auto refused = [&](const std::function<void(Json&)>& spoil, const std::string& part) {
    Json bad = good;
    spoil(bad);
    std::ofstream(path("bad.json")) << bad.dump();
    try {
      read_bench_result(path("bad.json").string());
      ADD_FAILURE() << part << " was taken";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_input);
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  };
  refused([](Json& j) { j["context"]["glmv"]["schema"] = "glmv.eval/1"; }, "glmv.eval/1");
  refused([](Json& j) { j["benchmarks"][0]["status"] = "fine"; }, "benchmarks[0].status");
  refused([](Json& j) { j["benchmarks"][0]["samples_ns"] = Json::array(); }, "samples_ns");
  refused([](Json& j) { j["benchmarks"][0]["samples_ns"][1][0] = -3; }, "samples_ns[1][0]");
  refused([](Json& j) { j["benchmarks"][0].erase("case"); }, "case is missing");
  refused([](Json& j) { j.erase("benchmarks"); }, "benchmarks is missing");
}

}  // namespace
}  // namespace glmv::bench
