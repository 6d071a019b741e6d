// glmv diff on values where a careless comparison says "same".
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "data/safetensors.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr double kInf = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();

template <class T>
Tensor row(std::initializer_list<T> values) {
  Tensor t(DTypeOf<T>::value, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.data<T>());
  return t;
}

class Diff : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(dir_); }
  void TearDown() override { fs::remove_all(dir_); }
  std::string path(const std::string& name) const { return dir_ + '/' + name; }

  int run(const std::string& flags) const {
    const int status = std::system(
        concat(GLMV_BINARY_DIR "/glmv diff ", path("a"), ' ', path("b"), ' ', flags, " > ", path("out"), " 2>&1")
            .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string output() const {
    std::ifstream in(path("out"));
    return {std::istreambuf_iterator<char>(in), {}};
  }
  int compare(const Tensor& a, const Tensor& b, const std::string& flags = "") const {
    write_safetensors(path("a"), {{"x", a.view}}, {});
    write_safetensors(path("b"), {{"x", b.view}}, {});
    return run(flags);
  }

  std::string dir_ = concat(testing::TempDir(), "glmv-diff-", ::getpid());
};

TEST_F(Diff, AnInfinityIsNearNothingButItself) {
  const std::string loose = "--rtol 10 --atol 10";
  EXPECT_EQ(compare(row({kInf}), row({kInf}), loose), 0);
  EXPECT_EQ(compare(row({kInf}), row({1.0}), loose), 1);
  EXPECT_EQ(compare(row({1.0}), row({kInf}), loose), 1);
  EXPECT_EQ(compare(row({kInf}), row({-kInf}), loose), 1);
  EXPECT_EQ(compare(row({kNan}), row({kNan}), loose), 0);
  EXPECT_EQ(compare(row({kNan}), row({1.0}), loose), 1);
}

TEST_F(Diff, NothingIsAllowedWhereNothingIsAllowed) {
  const Tensor zeros = row({0.0, 0.0}), near = row({0.0, 0.9});
  EXPECT_EQ(compare(zeros, near, "--rtol 0"), 1);
  EXPECT_EQ(compare(zeros, near, "--rtol 1e-3"), 1);
  EXPECT_EQ(compare(zeros, near, "--rtol 0 --atol 0"), 1);
  EXPECT_EQ(compare(zeros, near, "--atol 1"), 0);
}

TEST_F(Diff, IntegersAreComparedAsIntegers) {
  const int64_t big = int64_t(1) << 53;
  EXPECT_EQ(compare(row<int64_t>({0, big}), row<int64_t>({0, big}), ""), 0);
  EXPECT_EQ(compare(row<int64_t>({0, big}), row<int64_t>({0, big + 1}), ""), 1);
  EXPECT_EQ(compare(row<int64_t>({0, big}), row<int64_t>({0, big + 1}), "--rtol 0.5"), 1);
  EXPECT_NE(output().find("worst [1]"), std::string::npos) << output();
  EXPECT_EQ(compare(row<int64_t>({0, 5}), row<int32_t>({0, 5})), 0);
  EXPECT_EQ(compare(row<int64_t>({big + 1}), row<double>({static_cast<double>(big)})), 1);
  EXPECT_EQ(compare(row<double>({static_cast<double>(big)}), row<int64_t>({big})), 0);
  EXPECT_EQ(compare(row<int64_t>({INT64_MAX}), row<double>({0x1p63})), 1);
  EXPECT_EQ(compare(row<int64_t>({1}), row<double>({kNan})), 1);
}

TEST_F(Diff, IntegersHaveADifferenceAndNoUlps) {
  ASSERT_EQ(compare(row<int64_t>({7, 0, 5, INT64_MIN}), row<int64_t>({7, 460, 9, INT64_MIN})), 1);
  EXPECT_NE(output().find("2 of 4 differ, by at most 460  DIFFERS, worst [1]: 0 against 460"), std::string::npos)
      << output();
  ASSERT_EQ(compare(row<int64_t>({3, 5}), row<int32_t>({3, 5})), 0);
  EXPECT_NE(output().find("0 of 2 differ  same"), std::string::npos) << output();
  ASSERT_EQ(compare(row<int64_t>({0, INT64_MAX}), row<int64_t>({3, INT64_MIN}), "--json"), 1);
  const Json tensor = Json::parse(output())["tensors"][0];
  EXPECT_EQ(tensor["largest_difference"], 0x1p64);
  EXPECT_EQ(tensor["elements_beyond"], 2);
  EXPECT_FALSE(tensor.contains("peak_ulp")) << tensor;
}

TEST_F(Diff, ABatchAxisIsNoDifference) {
  Tensor batched(DType::f64, {1, 2});
  batched.data<double>()[0] = 1, batched.data<double>()[1] = 2;
  EXPECT_EQ(compare(row({1.0, 2.0}), batched), 0);
  EXPECT_EQ(compare(row({1.0, 2.5}), batched), 1);
  EXPECT_NE(output().find("worst [1]"), std::string::npos) << output();
  EXPECT_EQ(compare(row({1.0, 2.0, 3.0}), batched), 1);
}

TEST_F(Diff, TheWorstElementIsTheWorst) {
  ASSERT_EQ(compare(row({1.0, 1.0, 1.0}), row({1.1, 1.5, 1.2})), 1);
  EXPECT_NE(output().find("3 elements, worst [1]: 1 against 1.5"), std::string::npos) << output();
  // With a tolerance the one furthest outside it, which need not be the one with the largest distance.
  ASSERT_EQ(compare(row({1.0, 100.0}), row({1.5, 101.0}), "--rtol 0.001"), 1);
  EXPECT_NE(output().find("2 elements, worst [0]"), std::string::npos) << output();
}

TEST_F(Diff, AToleranceIsANumber) {
  compare(row({1.0}), row({1.0}));
  for (const char* bad : {"nan", "inf", "-1", "x"}) {
    EXPECT_EQ(run(concat("--rtol ", bad)), 2) << bad;
    EXPECT_LT(output().size(), 200u) << output();
  }
}

TEST_F(Diff, RowsComeInTheOrderOfTheForwardPass) {
  const Tensor x = row({1.0}), y = row({2.0});
  const std::string layer = "model.language_model.layers.";
  write_safetensors(path("a"),
                    {{layer + "10", x.view},
                     {layer + "2.mlp", x.view},
                     {layer + "2.self_attn", x.view},
                     {"another", x.view},
                     {"logits", x.view},
                     {"step.1/logits", x.view}},
                    {});
  fs::copy_file(path("a"), path("b"), fs::copy_options::overwrite_existing);
  ASSERT_EQ(run("--json"), 0);
  std::vector<std::string> names;
  const Json result = Json::parse(output());
  for (const Json& tensor : result["tensors"]) names.push_back(tensor["name"]);
  EXPECT_EQ(names, (std::vector<std::string>{layer + "2.self_attn", layer + "2.mlp", layer + "10", "logits", "another",
                                             "step.1/logits"}));
  write_safetensors(path("b"), {{layer + "10", y.view}, {"logits", x.view}}, {});
  ASSERT_EQ(run("--only-different"), 1);
  EXPECT_NE(output().find(layer + "10"), std::string::npos);
  EXPECT_EQ(output().find("\nlogits"), std::string::npos) << output();
}

TEST_F(Diff, LongNamesAndPatterns) {
  const Tensor x = row({1.0});
  write_safetensors(path("a"), {{std::string(100'000, 'a'), x.view}}, {});
  fs::copy_file(path("a"), path("b"), fs::copy_options::overwrite_existing);
  EXPECT_EQ(run("--only 'a+b?'"), 0);
  EXPECT_EQ(run("--map 'a+=x' --only '^x'"), 3);  // only the second file's name is rewritten
  EXPECT_EQ(run("--map '(a|b)*$=x'"), 2);         // more steps than a name may take
  EXPECT_EQ(run("--map 'a=$9'"), 2);
  EXPECT_EQ(run(concat("--only '", std::string(50'000, '('), "'")), 2);
}

}  // namespace
}  // namespace glmv
