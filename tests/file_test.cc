// Files in and out: what is not a regular file, what is too large, and results that appear whole or not at all.
#include "data/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "reference/core/error.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;

class File : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(dir_); }
  void TearDown() override { fs::remove_all(dir_); }
  std::string put(const std::string& name, const std::string& text) const {
    std::ofstream((dir_ / name).string(), std::ios::binary) << text;
    return (dir_ / name).string();
  }
  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(dir_), {})); }
  template <class F>
  static void expect_refused(F f, const std::string& part) {
    try {
      f();
      ADD_FAILURE() << "nothing was wrong, expected: " << part;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_input);
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  }

  const fs::path dir_ = fs::path(testing::TempDir()) / concat("glmv-file-", ::getpid());
};

TEST_F(File, ReadsWhatIsThere) {
  EXPECT_EQ(read_file(put("empty", "")), "");
  const std::string bytes("a\0b", 3);
  EXPECT_EQ(read_file(put("three", bytes), 3), bytes);
  EXPECT_NE(read_file("/proc/self/status"), "") << "a file that says it has no bytes";
}

TEST_F(File, RefusesByName) {
  const std::string three = put("three", "abc"), pipe = (dir_ / "pipe").string();
  expect_refused([&] { read_file(three, 2); }, three + ": 3 bytes, at most 2");
  expect_refused([&] { read_file("/proc/self/status", 10); }, "at most 10");
  expect_refused([&] { read_file(dir_.string()); }, "a folder");
  expect_refused([&] { read_file("/dev/zero"); }, "a pipe or device");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_refused([&] { read_file(pipe); }, "a pipe or device");
  expect_refused([&] { read_file(dir_.string() + "/absent"); }, "No such file");
  expect_refused([&] { read_file(three + std::string("\0.png", 5)); }, "zero byte");
  expect_refused([&] { read_file(""); }, "empty");
}

TEST_F(File, AppearsWholeOrNotAtAll) {
  const std::string path = put("result", "old");
  {
    OutputFile abandoned(path, Devices::written);
    abandoned.write("new", 3);
    EXPECT_EQ(files(), 2u);
  }
  EXPECT_EQ(read_file(path), "old");
  EXPECT_EQ(files(), 1u);
  OutputFile kept(path, Devices::written);
  kept.write("new", 3);
  EXPECT_EQ(read_file(path), "old");
  kept.commit();
  EXPECT_EQ(read_file(path), "new");
  EXPECT_EQ(files(), 1u);
}

/// What a signal handler does.
TEST_F(File, AnUnfinishedFileIsTakenAway) {
  remove_unfinished_file();
  OutputFile file((dir_ / "result").string(), Devices::written);
  file.write("ne", 2);
  EXPECT_EQ(files(), 1u);
  remove_unfinished_file();
  EXPECT_EQ(files(), 0u);
}

TEST_F(File, ANameMayBeAsLongAsTheSystemAllows) {
  const std::string path = (dir_ / std::string(255, 'n')).string();
  OutputFile file(path, Devices::written);
  file.commit();
  EXPECT_TRUE(fs::exists(path));
  expect_refused([&] { check_can_write(path + "n", Devices::written); }, "File name too long");
}

TEST_F(File, DevicesAreWrittenToOrRefused) {
  check_can_write("/dev/null", Devices::written);
  expect_refused([&] { check_can_write("/dev/null", Devices::refused); }, "/dev/null: not a regular file");
  OutputFile full("/dev/full", Devices::written);
  expect_refused([&] { full.write("x", 1), full.commit(); }, "/dev/full");
  EXPECT_TRUE(fs::is_character_file("/dev/full"));
}

}  // namespace
}  // namespace glmv
