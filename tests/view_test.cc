// Views, arenas, conversions, procedural values, and who may include whom.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "reference/core/arena.h"
#include "reference/core/procedural.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;

TEST(View, SlicesReshapesAndTypes) {
  float data[24];
  for (int i = 0; i < 24; ++i) data[i] = static_cast<float>(i);
  const TensorView v = make_view(data, DType::f32, {2, 3, 4});
  EXPECT_TRUE(v.contiguous());
  EXPECT_EQ(v.size(), 24);
  const TensorView middle = slice(v, 1, 1, 2);
  EXPECT_FALSE(middle.contiguous());
  EXPECT_EQ((as<float, 3>(middle)(1, 0, 2)), 18);
  EXPECT_EQ((as<float, 2>(reshape(v, {4, 6}))(3, 5)), 23);
  EXPECT_THROW(reshape(v, {5, 5}), Error);
  EXPECT_THROW(reshape(middle, {8}), Error);
  EXPECT_THROW(slice(v, 1, 2, 4), Error);
  EXPECT_THROW((as<float, 2>(v)), Error);
  EXPECT_THROW((as<double, 3>(v)), Error);
  const TensorView device = make_view(data, DType::f32, {24}, Space::cuda);
  EXPECT_THROW((as<float, 1>(device)), Error);
  EXPECT_EQ(concat(v), "f32 [2,3,4]");
}

TEST(Arena, GrowsKeepsViewsAndGivesBack) {
  Arena arena(cpu_backend(), 1024);
  const TensorView first = arena.make(DType::f32, {10});
  static_cast<float*>(first.data)[9] = 7;
  const Arena::Mark mark = arena.mark();
  const TensorView large = arena.make(DType::f32, {1 << 20});
  EXPECT_EQ(reinterpret_cast<uintptr_t>(large.data) % 64, 0u);
  EXPECT_EQ(static_cast<float*>(first.data)[9], 7);
  arena.rewind(mark);
  EXPECT_EQ(arena.make(DType::f32, {1 << 20}).data, large.data);
  EXPECT_GE(arena.peak_bytes(), size_t{4} << 20);
  {
    const ArenaScope scope(arena);
    arena.make(DType::u8, {100});
  }
}

TEST(Convert, BetweenTypesAndStrides) {
  Tensor a(DType::f64, {2, 3}), b(DType::bf16, {3, 2});
  for (int i = 0; i < 6; ++i) a.data<double>()[i] = i + 0.001;
  ConstTensorView turned = a.view;
  std::swap(turned.dim[0], turned.dim[1]);
  std::swap(turned.stride[0], turned.stride[1]);
  convert(turned, b.view);
  EXPECT_EQ(static_cast<float>(b.data<bf16>()[1]), 3);
  Tensor wide(DType::f32, {3, 5});
  convert(b.view, slice(wide.view, 1, 2, 4));
  EXPECT_EQ(wide.data<float>()[3], 3);
  EXPECT_EQ(wide.data<float>()[4], 0);
  EXPECT_THROW(convert(a.view, b.view), Error);
  Tensor big(DType::i64, {1}), copy(DType::i64, {1});
  big.data<int64_t>()[0] = (int64_t{1} << 60) + 1;
  convert(big.view, copy.view);
  EXPECT_EQ(copy.data<int64_t>()[0], (int64_t{1} << 60) + 1);
}

TEST(Procedural, HasTheValuesOfTheRule) {
  // From an independent evaluation of the rule in tests/golden/README.md.
  Tensor f(DType::f32, {5}), b(DType::bf16, {5});
  fill_procedural("input", {1.7, 0}, f.view);
  fill_procedural_bf16("input", {1.7, 0}, b.view);
  const float expected[] = {-1.36741769f, 0.518025279f, -1.00767756f, -0.766888201f, 0.98973155f};
  const float rounded[] = {-1.3671875f, 0.51953125f, -1.0078125f, -0.765625f, 0.98828125f};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(f.data<float>()[i], expected[i]) << i;
    EXPECT_EQ(static_cast<float>(b.data<bf16>()[i]), rounded[i]) << i;
  }
  Tensor long_one(DType::f32, {10000}), part(DType::f32, {10000});
  fill_procedural("x", {1, 0}, long_one.view);
  fill_procedural("y", {1, 0}, part.view);
  EXPECT_NE(long_one.data<float>()[9999], part.data<float>()[9999]);
}

// ---- Who may include whom (DESIGN: core <- ops <- model, core <- data <- model, model <- crosscheck) ----

/// "core", "ops", "model", "backends" (the one list that names them all), or the top folder.
std::string layer_of(const std::string& path) {
  if (path.rfind("reference/backends.", 0) == 0) return "backends";
  if (path.rfind("reference/core/", 0) == 0) return "core";
  if (path.rfind("reference/model/", 0) == 0) return "model";
  if (path.rfind("reference/", 0) == 0) return "ops";
  return path.substr(0, path.find('/'));
}

TEST(IncludeDirections, AreKept) {
  const std::map<std::string, std::set<std::string>> allowed = {
      {"core", {"core"}},
      {"ops", {"core", "ops"}},
      {"data", {"core", "data"}},
      {"model", {"core", "ops", "data", "model"}},
      {"crosscheck", {"core", "ops", "data", "model", "crosscheck"}},
      {"eval", {"core", "ops", "data", "model", "eval"}},
      {"backends", {"core", "ops", "cuda", "hip", "backends"}},
      {"gpu", {"core", "ops", "simt", "gpu"}},
      {"cuda", {"core", "ops", "simt", "gpu", "cuda"}},
      {"hip", {"core", "ops", "simt", "gpu", "hip"}},
      {"simt", {"core", "simt"}},
  };
  const fs::path root = GLMV_SOURCE_DIR;
  const std::regex ours("^\\s*#include \"([a-z]+/[^\"]+)\""), eigen("#include <Eigen/"),
      json("#include <nlohmann/json\\.hpp>");
  int64_t files = 0, includes = 0;
  for (const auto& [layer, may] : allowed) {
    const std::set<std::string> in_reference = {"core", "ops", "model", "backends"};
    const std::string folder = in_reference.count(layer) > 0 ? "reference" : layer;
    if (!fs::exists(root / folder)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
      const std::string path = fs::relative(entry.path(), root).string(), extension = entry.path().extension().string();
      if (layer_of(path) != layer || !std::set<std::string>{".h", ".cc", ".cu", ".hip"}.count(extension)) continue;
      ++files;
      std::ifstream in(entry.path());
      std::smatch match;
      for (std::string line; std::getline(in, line);) {
        if (extension != ".cc") {
          EXPECT_FALSE(std::regex_search(line, eigen)) << path << ": Eigen belongs in .cc files";
          // In eval rows, rules and responses are JSON, whatever the benchmark.
          if (layer != "eval") EXPECT_FALSE(std::regex_search(line, json)) << path << ": JSON belongs in .cc files";
        }
        if (!std::regex_search(line, match, ours)) continue;
        ++includes;
        EXPECT_EQ(may.count(layer_of(match[1])), 1u) << path << " includes " << match[1];
      }
    }
  }
  EXPECT_GT(files, 100);
  EXPECT_GT(includes, 300);
}

}  // namespace
}  // namespace glmv
