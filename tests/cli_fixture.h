// A folder of its own for each test of the command line, and what runs the program in it.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "data/image.h"
#include "data/safetensors.h"

namespace glmv {
namespace fs = std::filesystem;
using Json = nlohmann::json;

inline const std::string kSource = GLMV_SOURCE_DIR, kGolden = kSource + "/tests/golden/",
                         kTwin = kSource + "/data/tiny/glm45v";
inline const std::string kPicture = kTwin + "/heldout/objects-000-0.png";

struct Result {
  int code = -1;
  std::string out, err;
};

inline std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Cli : public testing::Test {
 protected:
  void SetUp() override {
    const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    dir_ = fs::path(testing::TempDir()) / concat("glmv-cli-", ::getpid(), '-', name);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  fs::path path(const std::string& name) const { return dir_ / name; }

  /// Runs a command line in the test's folder; $GLMV is the program.
  Result shell(const std::string& line) const {
    const fs::path out = path("stdout"), err = path("stderr");
    const std::string command = concat("export GLMV=" GLMV_BINARY_DIR "/glmv; cd ", dir_.string(), " && { ", line,
                                       "; } > ", out.string(), " 2> ", err.string());
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(out), read(err)};
  }
  Result glmv(const std::string& arguments) const { return shell("$GLMV " + arguments); }
  /// An error of one line that names all of `parts`, and nothing on stdout.
  void expect_error(const std::string& arguments, int code, const std::vector<std::string>& parts) const {
    const Result r = glmv(arguments);
    EXPECT_EQ(r.code, code) << arguments << '\n' << r.err;
    EXPECT_EQ(r.out, "") << arguments;
    EXPECT_EQ(std::count(r.err.begin(), r.err.end(), '\n'), 1) << r.err;
    for (const std::string& part : parts)
      EXPECT_NE(r.err.find(part), std::string::npos) << part << " is not in: " << r.err;
  }

  /// A copy of a golden's snapshot in which something is spoiled.
  std::string snapshot(const std::function<void(const fs::path&)>& spoil) const {
    const fs::path copy = path("model");
    fs::remove_all(copy);
    fs::create_directories(copy);
    for (const char* file : {"config.json", "model.safetensors"}) fs::copy_file(kGolden + "moe_a/" + file, copy / file);
    spoil(copy);
    return copy.string();
  }
  /// The golden's tensors, changed and written again.
  static void rewrite(const fs::path& model, const std::function<void(NamedTensors&)>& change) {
    const SafetensorsFile file = SafetensorsFile::open(kGolden + "moe_a/model.safetensors");
    NamedTensors tensors(file.tensors().begin(), file.tensors().end());
    change(tensors);
    write_safetensors((model / "model.safetensors").string(), tensors, {});
  }

  fs::path dir_;
};

}  // namespace glmv
