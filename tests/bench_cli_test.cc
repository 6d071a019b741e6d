// glmv bench and compare as a user meets them, with libraries that are compiled here.
#include <cstdlib>

#include "tests/cli_fixture.h"

namespace glmv {
namespace {

constexpr const char* kOneCase = "bench 'rmsnorm/bf16_hf_T1_H4096' --backend cpu --quick -q ";

class Bench : public Cli {
 protected:
  /// Compiles a C file of the test's folder, or the example, to a shared library there. False without a compiler.
  bool compile(const std::string& source, const std::string& library, const std::string& flags = "") const {
    return shell(concat("cc -O2 -shared -fPIC ", flags, " -I ", kSource, "/bench ", source, " -o ", library, " -lm"))
               .code == 0;
  }
  std::string example() const { return kSource + "/bench/examples/rmsnorm.c"; }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path(name)) << text; }
  Json result(const std::string& name) const { return Json::parse(read(path(name))); }
};

TEST_F(Bench, WritesGoogleBenchmarksJsonAndAPage) {
  const Result r = glmv(std::string(kOneCase) + "-o r.json -o r.html -o r.csv -o r.md");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json json = result("r.json"), row = json["benchmarks"][0];
  EXPECT_EQ(json["benchmarks"].size(), 1u);
  EXPECT_EQ(row["name"], "rmsnorm/bf16_hf_T1_H4096/backend:cpu/l2:cold");
  EXPECT_GE(row["samples_ns"].size(), 3u);
  EXPECT_GT(row["roofline_us"], 0);
  EXPECT_LE(row["max_err"], 1);
  EXPECT_NE(std::string(json["context"]["glmv"]["command"]).find("--quick"), std::string::npos);
  EXPECT_NE(read(path("r.html")).find("</svg>"), std::string::npos);
  EXPECT_NE(read(path("r.md")).find("| rmsnorm/bf16_hf_T1_H4096 | cpu |"), std::string::npos);
  // The line that repeats a row does.
  const std::string repro = row["repro"];
  EXPECT_EQ(repro.rfind("glmv bench ", 0), 0u);
  EXPECT_EQ(glmv(repro.substr(5) + " --quick -q").code, 0);
}

TEST_F(Bench, SaysWhatItDoesNotKnow) {
  expect_error("bench rmsnrom -q", 2, {"rmsnrom", "rmsnorm, ", "moe"});
  expect_error("bench rmsnorm --tokens 77 -q", 2, {"rmsnorm", "no case worth timing"});
  expect_error("bench rmsnorm --backend tpu -q", 5, {"tpu", "there are: cpu"});
  expect_error("bench rmsnorm -o r.txt -q", 2, {"r.txt", ".json"});
  expect_error("bench rmsnorm -o nowhere/r.json -q", 3, {"nowhere"});
  expect_error(std::string(kOneCase) + "--baseline missing.json", 3, {"missing.json"});
  EXPECT_EQ(glmv("bench rmsnorm --l2 lukewarm").code, 2);
}

TEST_F(Bench, ComparesTwoResults) {
  ASSERT_EQ(glmv(std::string(kOneCase) + "-o a.json").code, 0);
  Json slow = result("a.json");
  for (auto& round : slow["benchmarks"][0]["samples_ns"]) {
    for (auto& ns : round) ns = 3 * ns.get<double>();
  }
  slow["benchmarks"][0]["status"] = "ok";
  write("slow.json", slow.dump());
  Json steady = result("a.json");
  steady["benchmarks"][0]["status"] = "ok";
  write("a.json", steady.dump());
  EXPECT_EQ(glmv("compare a.json a.json").code, 0);
  EXPECT_NE(glmv("compare a.json a.json").out.find("SAME"), std::string::npos);
  const Result r = glmv("compare a.json slow.json");
  EXPECT_NE(r.out.find("+200.0 %"), std::string::npos) << r.out;
  // The samples of a busy machine may overlap even three times apart; then it must not say SAME either.
  EXPECT_EQ(r.code, r.out.find("SLOWER") != std::string::npos ? 1 : 0);
  EXPECT_EQ(r.out.find("SAME"), std::string::npos) << r.out;
  EXPECT_EQ(glmv("compare a.json slow.json --exit-zero").code, 0);
  EXPECT_EQ(Json::parse(glmv("compare a.json slow.json --format json").out)["schema"], "glmv.compare/1");
  expect_error("compare a.json " + kTwin + "/config.json", 3, {"config.json", "context is missing"});
  Json other = steady;
  other["benchmarks"][0]["name"] = "else";
  write("other.json", other.dump());
  expect_error("compare a.json other.json", 2, {"no case in common"});
  expect_error("compare a.json slow.json -o a.json", 2, {"a.json", "would be replaced"});
}

TEST_F(Bench, AKernelOfOnesOwnIsCheckedAndTimed) {
  if (!compile(example(), "mine.so")) GTEST_SKIP() << "no C compiler";
  const Result r = glmv(std::string(kOneCase) + "--lib mine.so --baseline cpu -o r.json --exit-zero");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json rows = result("r.json")["benchmarks"];
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[1]["backend"], "cpu:mine");
  EXPECT_TRUE(rows[1]["status"] == "ok" || rows[1]["status"] == "unstable") << rows[1];
  EXPECT_GT(rows[1]["max_err"], 0);
  EXPECT_LE(rows[1]["max_err"], 1);
  EXPECT_NE(std::string(rows[1]["repro"]).find("--lib mine.so"), std::string::npos);
}

TEST_F(Bench, AnOffByOneIsInvalidWithItsWorstIndex) {
  if (!compile(example(), "wrong.so", "-DGLMV_EXAMPLE_OFF_BY_ONE")) GTEST_SKIP() << "no C compiler";
  const Result r = glmv(std::string(kOneCase) + "--lib wrong.so -o r.json");
  EXPECT_EQ(r.code, 1) << r.err;
  const Json row = result("r.json")["benchmarks"][1];
  EXPECT_EQ(row["status"], "INVALID");
  EXPECT_NE(std::string(row["why"]).find("worst [0,4095]"), std::string::npos) << row["why"];
  EXPECT_TRUE(row["samples_ns"].empty());
}

TEST_F(Bench, AKernelMayRefuseACase) {
  if (!compile(example(), "mine.so")) GTEST_SKIP() << "no C compiler";
  const Result r = glmv("bench 'rmsnorm/f32_T3_H4096' --backend cpu --quick -q --lib mine.so -o r.json");
  EXPECT_EQ(r.code, 4) << r.err;  // a library was named, and none of it was timed
  const Json row = result("r.json")["benchmarks"][1];
  EXPECT_EQ(row["status"], "left out");
  EXPECT_NE(std::string(row["why"]).find("returned 1"), std::string::npos);
}

TEST_F(Bench, BrokenLibrariesAreOneClearError) {
  expect_error(std::string(kOneCase) + "--lib none.so", 3, {"none.so"});
  write("text.so", "not a library\n");
  expect_error(std::string(kOneCase) + "--lib text.so", 3, {"text.so", "no library that can be loaded"});
  const auto expect_refused = [&](const std::string& code, int exit, const std::vector<std::string>& parts) {
    write("k.c", "#include \"glmv_kernel.h\"\n" + code);
    ASSERT_TRUE(compile("k.c", "k.so"));
    expect_error(std::string(kOneCase) + "--lib k.so", exit, parts);
  };
  const std::string version = "int32_t glmv_kernel_version(void) { return GLMV_KERNEL_VERSION; }\n";
  const std::string device = "const char* glmv_kernel_device(void) { return \"host\"; }\n";
  const std::string run = "int32_t glmv_kernel_run(const glmv_call* c) { return c == 0; }\n";
  const auto ops = [](const std::string& list) {
    return "const char* glmv_kernel_ops(void) { return \"" + list + "\"; }\n";
  };
  if (!compile(example(), "works.so")) GTEST_SKIP() << "no C compiler";
  expect_refused("int nothing;\n", 3, {"k.so", "glmv_kernel_version"});
  expect_refused("int32_t glmv_kernel_version(void) { return 99; }\n", 2, {"version 99", "version 1"});
  expect_refused(version + device + ops("rmsnorm"), 3, {"glmv_kernel_run"});
  expect_refused(version + device + run + ops(""), 2, {"names no op"});
  expect_refused(version + device + run + ops("rmsnorm,conv"), 2, {"conv", "no op"});
  expect_refused(version + run + ops("rmsnorm") + "const char* glmv_kernel_device(void) { return \"tpu\"; }\n", 2,
                 {"tpu"});
  expect_refused(version + run + ops("rmsnorm") + "const char* glmv_kernel_device(void) { return \"cuda\"; }\n", 5,
                 {"k.so"});
}

/// What it leaves unwritten is poison, and what it writes beside a tensor is seen.
TEST_F(Bench, ALibraryThatWritesNothingOrTooMuchIsInvalid) {
  const std::string head =
      "#include \"glmv_kernel.h\"\nint32_t glmv_kernel_version(void) { return GLMV_KERNEL_VERSION; }\n"
      "const char* glmv_kernel_device(void) { return \"host\"; }\nconst char* glmv_kernel_ops(void) { return "
      "\"rmsnorm\"; }\n";
  write("nothing.c", head + "int32_t glmv_kernel_run(const glmv_call* c) { return c == 0; }\n");
  if (!compile("nothing.c", "nothing.so")) GTEST_SKIP() << "no C compiler";
  EXPECT_EQ(glmv(std::string(kOneCase) + "--lib nothing.so").code, 1);
  write("beside.c",
        head +
            "int32_t glmv_kernel_run(const glmv_call* c) {\n const glmv_tensor* t = glmv_find_tensor(c, \"out\");\n"
            " if (t == 0) return 1;\n"
            " ((uint16_t*)t->data)[t->dim[0] * t->dim[1]] = 0; return 0; }\n");
  ASSERT_TRUE(compile("beside.c", "beside.so"));
  const Result r = glmv(std::string(kOneCase) + "--lib beside.so");
  EXPECT_EQ(r.code, 1);
  EXPECT_NE(r.out.find("INVALID"), std::string::npos) << r.out;
}

const char* const kSilu = R"(#include <math.h>
#include <stdlib.h>
#include "glmv_kernel.h"
int32_t glmv_kernel_version(void) { return GLMV_KERNEL_VERSION; }
const char* glmv_kernel_device(void) { return "host"; }
const char* glmv_kernel_ops(void) { return "silu_mul"; }
int32_t glmv_kernel_run(const glmv_call* c) {
  const glmv_tensor *gate = glmv_find_tensor(c, "gate"), *up = glmv_find_tensor(c, "up"), *out = glmv_find_tensor(c, "out");
  if (gate->dtype != GLMV_F32 || KIND == 2) return 1;
  if (KIND == 3) abort();
  if (KIND == 6) exit(0);
  static int calls;
  if (KIND == 5 && calls++ > 0) return 0;
  float *g = gate->data, *u = up->data, *o = out->data;
  if (KIND == 1) g[0] = 0;
  for (int64_t t = 0; t < out->dim[0]; ++t)
    for (int64_t i = 0; i < out->dim[1] - (KIND == 4 && out->dim[1] % 2); ++i)
      o[t * out->stride[0] + i] = g[t * gate->stride[0] + i] / (1 + expf(-g[t * gate->stride[0] + i])) * u[t * up->stride[0] + i];
  return 0;
}
)";

/// Parts of a fused tensor are handed over as tensors; what it must not touch is watched; odd lengths are checked; and
/// who crashes is named.
TEST_F(Bench, AKernelIsHandedPartsAndWatched) {
  write("silu.c", kSilu);
  if (!compile("silu.c", "right.so", "-DKIND=0 -lm")) GTEST_SKIP() << "no C compiler";
  const std::string command = "bench silu_mul/f32_T3_F4096 --backend cpu --quick --lib ";
  const Result right = glmv(command + "right.so --exit-zero");
  EXPECT_NE(right.err.find("small cases are right"), std::string::npos) << right.err;
  EXPECT_EQ(right.err.find("INVALID"), std::string::npos) << right.err;
  ASSERT_TRUE(compile("silu.c", "spoils.so", "-DKIND=1 -lm"));
  EXPECT_NE(glmv(command + "spoils.so").out.find("to be left alone"), std::string::npos);
  ASSERT_TRUE(compile("silu.c", "odd.so", "-DKIND=4 -lm"));
  const Result odd = glmv(command + "odd.so");
  EXPECT_EQ(odd.code, 1);
  EXPECT_NE(odd.err.find("INVALID: silu_mul/f32_T7_F33"), std::string::npos) << odd.err;
  ASSERT_TRUE(compile("silu.c", "crash.so", "-DKIND=3 -lm"));
  ASSERT_TRUE(compile("silu.c", "lazy.so", "-DKIND=5 -lm"));
  const Result lazy = glmv(command + "lazy.so");
  EXPECT_EQ(lazy.code, 1);
  EXPECT_NE(lazy.out.find("right on the first call, wrong on a later one"), std::string::npos) << lazy.out;
  ASSERT_TRUE(compile("silu.c", "exits.so", "-DKIND=6 -lm"));
  EXPECT_EQ(glmv(command + "exits.so").code, 3);
  EXPECT_NE(glmv(command + "crash.so").err.find("crash.so ended the program in silu_mul/f32_T3_F4096"),
            std::string::npos);
}

TEST_F(Bench, ComparesOneBackendWithAnotherByCase) {
  ASSERT_EQ(glmv(std::string(kOneCase) + "-o ours.json --exit-zero").code, 0);
  Json peer = result("ours.json");
  peer["context"]["glmv"].erase("ceilings");
  Json& row = peer["benchmarks"][0];
  row["backend"] = "torch";
  row["name"] = std::string(row["case"]) + "/backend:torch/l2:" + std::string(row["l2"]);
  write("peer.json", peer.dump());
  const Result r = glmv("compare peer.json ours.json");
  EXPECT_NE(r.out.find("paired by case: torch and cpu"), std::string::npos) << r.out << r.err;
}

TEST_F(Bench, RecordedRoutingBecomesCases) {
  const std::string trace = kTwin + "/traces/one_image.bf16.safetensors";
  const Result r = glmv("bench moe_experts/recorded --backend cpu --quick -q --routing " + trace + " -o r.json");
  ASSERT_EQ(r.code, 0) << r.err;
  bool own = false;
  const Json rows = result("r.json")["benchmarks"];
  for (const Json& row : rows) {
    own = own || std::string(row["name"]).find("_T36_H128_") != std::string::npos;
    EXPECT_NE(row["status"], "INVALID");
    EXPECT_GT(row["experts_touched"], 0);
    EXPECT_LE(row["experts_touched"], 8);
  }
  EXPECT_TRUE(own);
  expect_error("bench --routing " + kTwin + "/model.safetensors -q", 3, {"model.safetensors", "no routing"});
}

}  // namespace
}  // namespace glmv
