// safetensors: what is read and written, and every lie in a header refused by name.
#include "data/safetensors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "data/trace.h"

namespace {

namespace fs = std::filesystem;
using glmv::ConstTensorView;
using glmv::DType;
using glmv::ExitCode;
using glmv::make_view;
using glmv::NamedTensors;
using glmv::SafetensorsFile;
using glmv::Tensor;

std::string little_endian(uint64_t n) {
  std::string out;
  for (int i = 0; i < 8; ++i) out += static_cast<char>(n >> (8 * i) & 0xff);
  return out;
}

std::string read_bytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

class Safetensors : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "glmv_safetensors_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string put(const std::string& bytes) {
    const fs::path path = dir_ / "t.safetensors";
    std::ofstream(path, std::ios::binary) << bytes;
    return path.string();
  }
  std::string put(const std::string& header, const std::string& data) {
    return put(little_endian(header.size()) + header + data);
  }
  /// Expects exit code 3 and a message with the path and all words.
  void expect_refused(const std::string& path, std::initializer_list<const char*> words) {
    try {
      SafetensorsFile::open(path);
      ADD_FAILURE() << "accepted: " << read_bytes(path).substr(8, 300);
    } catch (const glmv::Error& e) {
      const std::string message = e.what();
      EXPECT_EQ(e.code(), ExitCode::bad_input) << message;
      EXPECT_NE(message.find(path), std::string::npos) << message;
      for (const char* word : words)
        EXPECT_NE(message.find(word), std::string::npos) << "no \"" << word << "\" in: " << message;
    }
  }
  void expect_write_fails(const std::string& path, const NamedTensors& tensors,
                          std::initializer_list<const char*> words) {
    try {
      glmv::write_safetensors(path, tensors, {});
      ADD_FAILURE() << "written: " << path;
    } catch (const glmv::Error& e) {
      const std::string message = e.what();
      for (const char* word : words)
        EXPECT_NE(message.find(word), std::string::npos) << "no \"" << word << "\" in: " << message;
    }
  }
  size_t files_in_folder() const {
    return static_cast<size_t>(std::distance(fs::directory_iterator(dir_), fs::directory_iterator()));
  }
  fs::path dir_;
};

// ---- reading ----

/// The example of the format's description; its sha256 was computed elsewhere, the bytes are typed here.
TEST_F(Safetensors, ReadsTheDocumentedExample) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},)"
      R"("b":{"dtype":"BF16","shape":[3],"data_offsets":[16,22]}})";
  ASSERT_EQ(header.size(), 144u);
  const unsigned char data[] = {0,    0, 0x80, 0x3f, 0,    0,    0,    0xc0, 0,    0, 0,
                                0x3f, 0, 0,    0x40, 0x40, 0x80, 0x3f, 0,    0xc0, 0, 0x3f};
  const auto file = SafetensorsFile::open(put(header, std::string(reinterpret_cast<const char*>(data), sizeof data)));
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
  ASSERT_EQ(file.tensors().size(), 2u);
  const auto a = glmv::as<float, 2>(file.get("a"));
  EXPECT_EQ(a(0, 0), 1.0f);
  EXPECT_EQ(a(0, 1), -2.0f);
  EXPECT_EQ(a(1, 0), 0.5f);
  EXPECT_EQ(a(1, 1), 3.0f);
  const auto b = glmv::as<glmv::bf16, 1>(file.get("b"));
  EXPECT_EQ(static_cast<float>(b(1)), -2.0f);
  EXPECT_TRUE(file.has("a"));
  EXPECT_FALSE(file.has("c"));
  EXPECT_THROW(file.get("c"), glmv::Error);
}

TEST_F(Safetensors, ViewsOutliveTheObjectTheyCameFromAsLongAsACopyLives) {
  Tensor one(DType::f32, {1});
  one.data<float>()[0] = 7;
  const std::string path = (dir_ / "one.safetensors").string();
  glmv::write_safetensors(path, {{"x", one.view}}, {});
  SafetensorsFile copy;
  ConstTensorView view;
  {
    const auto file = SafetensorsFile::open(path);
    view = file.get("x");
    copy = file;
  }
  fs::remove(path);
  EXPECT_EQ((glmv::as<float, 1>(view)(0)), 7.0f);
}

TEST_F(Safetensors, ScalarsAndEmptyTensors) {
  const auto file = SafetensorsFile::open(put(
      R"({"e":{"dtype":"F64","shape":[0,3],"data_offsets":[0,0]},"s":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("z":{"dtype":"U8","shape":[0],"data_offsets":[8,8]}})",
      little_endian(42)));
  EXPECT_EQ(file.get("s").rank, 0);
  EXPECT_EQ(*static_cast<const int64_t*>(file.get("s").data), 42);
  EXPECT_EQ(file.get("e").size(), 0);
  EXPECT_EQ(file.get("e").dim[1], 3);
  EXPECT_EQ(SafetensorsFile::open(put("{}", "")).tensors().size(), 0u);
  EXPECT_EQ(SafetensorsFile::open(put("{}      ", "")).tensors().size(), 0u);
}

TEST_F(Safetensors, EveryType) {
  const std::pair<const char*, DType> types[] = {{"F64", DType::f64},        {"F32", DType::f32}, {"F16", DType::f16},
                                                 {"BF16", DType::bf16},      {"I64", DType::i64}, {"I32", DType::i32},
                                                 {"F8_E4M3", DType::f8e4m3}, {"U8", DType::u8},   {"BOOL", DType::u8}};
  for (const auto& [name, type] : types) {
    const size_t bytes = 3 * glmv::size_of(type);
    const auto file = SafetensorsFile::open(
        put(glmv::concat(R"({"x":{"dtype":")", name, R"(","shape":[3],"data_offsets":[0,)", bytes, "]}}"),
            std::string(bytes, 'x')));
    EXPECT_EQ(file.get("x").dtype, type) << name;
  }
}

TEST_F(Safetensors, TensorsAtOddAddressesAreCopied) {
  std::string data = "?";
  const double values[] = {1.5, -2.25};
  data.append(reinterpret_cast<const char*>(values), sizeof values);
  const auto file = SafetensorsFile::open(put(
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"F64","shape":[2],"data_offsets":[1,17]}})",
      data));
  const ConstTensorView b = file.get("b");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b.data) % 8, 0u);
  EXPECT_EQ((glmv::as<double, 1>(b)(1)), -2.25);
}

/// One tensor "x" with the given fields over 16 bytes of data.
std::string x(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"x":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
}

TEST_F(Safetensors, LengthsThatDoNotFitTheFile) {
  expect_refused((dir_ / "absent").string(), {"No such file"});
  expect_refused(dir_.string(), {"not a regular file"});
  expect_refused(put(""), {"0 bytes"});
  expect_refused(put("1234567"), {"7 bytes"});
  expect_refused(put(little_endian(3) + "{}"), {"header length 3", "10 bytes"});
  expect_refused(put(little_endian(100'000'001) + "{}"), {"100000001", "limit"});
  expect_refused(put(little_endian(~uint64_t{0}) + "{}"), {"18446744073709551615"});
  expect_refused(put(little_endian(0)), {"not a JSON object"});
}

TEST_F(Safetensors, AFifoIsRefusedWithoutWaiting) {
  const std::string path = (dir_ / "fifo").string();
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  expect_refused(path, {"not a regular file"});
}

TEST_F(Safetensors, HeadersThatAreNotWhatTheFormatSays) {
  const std::string data(16, '\0');
  expect_refused(put("[]", data), {"not a JSON object"});
  expect_refused(put(" {}", data), {"not a JSON object"});
  expect_refused(put("{", data), {"not valid JSON"});
  expect_refused(put("{} x", data), {"not valid JSON"});
  expect_refused(put(std::string("{}\0\0", 4), data), {"zero byte"});
  expect_refused(put("{\"\xff\":1}", data), {"not valid JSON"});
  expect_refused(put(R"({"x":3})", data), {"tensor x", "unexpected 3"});
  expect_refused(put(R"({"x":[]})", data), {"tensor x", "array"});
  expect_refused(put(R"({"x":{}})", data), {"tensor x", "dtype is missing"});
  expect_refused(put(R"({"":{}})", data), {"without a name"});
  expect_refused(put(R"({"x":{"dtype":"F32","shape":[4]}})", data), {"tensor x", "data_offsets is missing"});
  expect_refused(put(R"({"x":{"dtype":"F32","data_offsets":[0,16]}})", data), {"tensor x", "shape is missing"});
  expect_refused(put(R"({"x":{"dtype":"F32","stride":[1]}})", data), {"tensor x: stride", "unknown field"});
  expect_refused(put(R"({"x":{"dtype":"F32","dtype":"F32"}})", data), {"tensor x: dtype", "given twice"});
  const std::string good = R"("x":{"dtype":"F32","shape":[4],"data_offsets":[0,16]})";
  expect_refused(put("{" + good + "," + good + "}", data), {"tensor x", "named twice"});
  expect_refused(put(R"({"__metadata__":{},"__metadata__":{}})", ""), {"__metadata__", "named twice"});
  expect_refused(put(R"({"__metadata__":{"a":"1","a":"2"}})", ""), {"__metadata__: a", "given twice"});
  expect_refused(put(R"({"__metadata__":{"a":1}})", ""), {"__metadata__: a", "unexpected 1"});
  expect_refused(put(R"({"__metadata__":{"a":{}}})", ""), {"__metadata__: a", "object"});
  expect_refused(put(R"({"__metadata__":{"a":["b"]}})", ""), {"__metadata__: a", "array"});
}

TEST_F(Safetensors, FieldsOfTheWrongKind) {
  const std::string data(16, '\0');
  expect_refused(put(x("3", "[4]", "[0,16]"), data), {"tensor x: dtype", "unexpected 3"});
  expect_refused(put(x("[\"F32\"]", "[4]", "[0,16]"), data), {"tensor x: dtype", "array"});
  expect_refused(put(x("\"F32\"", "4", "[0,16]"), data), {"tensor x: shape", "unexpected 4"});
  expect_refused(put(x("\"F32\"", "\"4\"", "[0,16]"), data), {"tensor x: shape"});
  expect_refused(put(x("\"F32\"", "[[4]]", "[0,16]"), data), {"tensor x: shape", "array"});
  expect_refused(put(x("\"F32\"", "[{}]", "[0,16]"), data), {"tensor x: shape", "object"});
  expect_refused(put(x("\"F32\"", "[-4]", "[0,16]"), data), {"tensor x: shape", "-4"});
  expect_refused(put(x("\"F32\"", "[4.0]", "[0,16]"), data), {"tensor x: shape", "4.0"});
  expect_refused(put(x("\"F32\"", "[null]", "[0,16]"), data), {"tensor x: shape", "null"});
  expect_refused(put(x("\"F32\"", "[true]", "[0,16]"), data), {"tensor x: shape", "true"});
  expect_refused(put(x("\"F32\"", "[99999999999999999999]", "[0,16]"), data),
                 {"tensor x: shape", "99999999999999999999"});
  expect_refused(put(x("\"F32\"", "[4]", "[0]"), data), {"tensor x", "data_offsets"});
  expect_refused(put(x("\"F32\"", "[4]", "[0,8,16]"), data), {"tensor x: data_offsets", "more than two"});
  expect_refused(put(x("\"F32\"", "[4]", "[0,-16]"), data), {"tensor x: data_offsets", "-16"});
  expect_refused(put(x("\"F32\"", "[1,1,1,1,1,4]", "[0,16]"), data), {"tensor x: shape", "more than 5 axes"});
  for (const char* type : {"\"F8_E5M2\"", "\"C64\"", "\"f32\"", "\"\""}) {
    expect_refused(put(x(type, "[4]", "[0,16]"), data), {"tensor x", "dtype", "not supported"});
  }
}

TEST_F(Safetensors, OffsetsThatDoNotMatchTheShape) {
  const std::string data(16, '\0');
  expect_refused(put(x("\"F32\"", "[3]", "[0,16]"), data), {"tensor x", "[0,16]", "16 bytes", "f32 [3] has 12"});
  expect_refused(put(x("\"F32\"", "[4]", "[0,20]"), data), {"tensor x", "[0,20]", "within 16"});
  expect_refused(put(x("\"F32\"", "[4]", "[16,0]"), data), {"tensor x", "[16,0]"});
  expect_refused(put(x("\"F32\"", "[4]", "[18446744073709551600,16]"), data), {"tensor x", "18446744073709551600"});
  expect_refused(put(x("\"F32\"", "[0]", "[17,17]"), data), {"tensor x", "[17,17]"});
}

TEST_F(Safetensors, ProductsThatOverflow) {
  const std::string data(16, '\0');
  for (const char* shape : {"[4294967296,4294967296]", "[9223372036854775808]", "[18446744073709551615]",
                            "[2305843009213693953]", "[4,4611686018427387905]", "[0,4294967296,4294967296]",
                            "[4294967296,0,9223372036854775808]", "[65536,65536,65536,65536,65537]"}) {
    expect_refused(put(x("\"F64\"", shape, "[0,16]"), data), {"tensor x", "shape", "overflows"});
  }
}

TEST_F(Safetensors, OverlapsHolesAndTrailingBytes) {
  const auto two = [](const char* a, const char* b) {
    return glmv::concat(R"({"a":{"dtype":"U8","shape":[8],"data_offsets":)", a,
                        R"(},"b":{"dtype":"U8","shape":[8],"data_offsets":)", b, "}}");
  };
  EXPECT_NO_THROW(SafetensorsFile::open(put(two("[8,16]", "[0,8]"), std::string(16, 'x'))));
  expect_refused(put(two("[0,8]", "[7,15]"), std::string(15, 'x')), {"tensor b", "overlap", "a"});
  expect_refused(put(two("[0,8]", "[0,8]"), std::string(8, 'x')), {"overlap"});
  expect_refused(put(two("[0,8]", "[9,17]"), std::string(17, 'x')), {"tensor b", "hole"});
  expect_refused(put(two("[1,9]", "[9,17]"), std::string(17, 'x')), {"tensor a", "hole"});
  expect_refused(put(two("[0,8]", "[8,16]"), std::string(17, 'x')), {"byte 16", "17 bytes"});
  expect_refused(put("{}", "x"), {"byte 0", "1 bytes"});
}

TEST_F(Safetensors, DeepAndHugeHeaders) {
  expect_refused(put("{\"x\":" + std::string(1'000'000, '['), ""), {"tensor x", "array"});
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  expect_refused(put(objects, ""), {"tensor a", "unknown field"});
  expect_refused(put(R"({"__metadata__":)" + objects, ""), {"__metadata__: a", "unexpected an object"});
  std::string numbers = R"({"x":{"dtype":"F32","shape":[1)";
  for (int i = 0; i < 1'000'000; ++i) numbers += ",1";
  expect_refused(put(numbers + "]}}", ""), {"more than 5 axes"});
}

TEST_F(Safetensors, EveryTruncationOfAFileIsRefused) {
  Tensor a(DType::f32, {3}), b(DType::u8, {5});
  const std::string path = (dir_ / "whole.safetensors").string();
  glmv::write_safetensors(path, {{"a", a.view}, {"b", b.view}}, {{"k", "v"}});
  const std::string whole = read_bytes(path);
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    EXPECT_THROW(SafetensorsFile::open(put(whole.substr(0, bytes))), glmv::Error) << bytes;
  }
  EXPECT_NO_THROW(SafetensorsFile::open(put(whole)));
}

// ---- writing ----

TEST_F(Safetensors, RoundTripIsExactAndAligned) {
  Tensor odd(DType::u8, {3}), wide(DType::f64, {2, 1}), half(DType::bf16, {1, 1, 1, 1, 5}), scalar(DType::i64, {});
  Tensor none(DType::f32, {4, 0});
  for (int i = 0; i < 3; ++i) odd.data<uint8_t>()[i] = static_cast<uint8_t>(i + 1);
  wide.data<double>()[1] = 0.1;
  half.data<glmv::bf16>()[4] = glmv::bf16(3.0f);
  scalar.data<int64_t>()[0] = INT64_MIN;
  const NamedTensors tensors = {
      {"odd", odd.view}, {"wide", wide.view}, {"half", half.view}, {"scalar", scalar.view}, {"none", none.view}};
  const std::map<std::string, std::string> metadata = {{"format", "x"}, {"ünï", "quote \" and \n"}};
  const std::string path = (dir_ / "r.safetensors").string();
  glmv::write_safetensors(path, tensors, metadata);
  const auto file = SafetensorsFile::open(path);
  EXPECT_EQ(file.metadata(), metadata);
  ASSERT_EQ(file.tensors().size(), tensors.size());
  for (const auto& [name, want] : tensors) {
    const ConstTensorView got = file.get(name);
    EXPECT_EQ(got.dtype, want.dtype);
    ASSERT_EQ(got.rank, want.rank);
    for (int i = 0; i < got.rank; ++i) EXPECT_EQ(got.dim[i], want.dim[i]);
    EXPECT_EQ(std::memcmp(got.data, want.data, static_cast<size_t>(want.bytes())), 0) << name;
  }
  const std::string bytes = read_bytes(path);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  EXPECT_EQ(header % 8, 0u);
  EXPECT_EQ(files_in_folder(), 1u) << "nothing but the file";
}

TEST_F(Safetensors, EqualTensorsGiveEqualBytesInAnyOrder) {
  Tensor a(DType::f32, {2}), b(DType::i64, {1}), c(DType::f32, {1});
  const std::string one = (dir_ / "1").string(), two = (dir_ / "2").string();
  glmv::write_safetensors(one, {{"a", a.view}, {"b", b.view}, {"c", c.view}}, {{"x", "1"}, {"y", "2"}});
  glmv::write_safetensors(two, {{"c", c.view}, {"b", b.view}, {"a", a.view}}, {{"y", "2"}, {"x", "1"}});
  EXPECT_EQ(read_bytes(one), read_bytes(two));
}

/// The goldens were written by a Python writer with the same rules: reading and writing them changes no byte.
TEST_F(Safetensors, GoldensAreReproducedByteForByte) {
  size_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(GLMV_SOURCE_DIR) / "tests" / "golden")) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto file = SafetensorsFile::open(entry.path().string());
    const NamedTensors tensors(file.tensors().begin(), file.tensors().end());
    const std::string copy = (dir_ / "copy").string();
    glmv::write_safetensors(copy, tensors, file.metadata());
    EXPECT_TRUE(read_bytes(entry.path()) == read_bytes(copy)) << entry.path();
    ++files;
  }
  if (files == 0) GTEST_SKIP() << "no goldens";
}

TEST_F(Safetensors, AnExistingFileIsReplacedWhole) {
  const std::string path = (dir_ / "f").string();
  Tensor big(DType::f32, {1000}), small(DType::f32, {1});
  glmv::write_safetensors(path, {{"x", big.view}}, {});
  const auto old = SafetensorsFile::open(path);
  glmv::write_safetensors(path, {{"x", small.view}}, {});
  EXPECT_EQ(old.get("x").dim[0], 1000) << "a reader of the old file keeps it";
  EXPECT_EQ(SafetensorsFile::open(path).get("x").dim[0], 1);
}

TEST_F(Safetensors, WhatCannotBeWrittenIsRefused) {
  const std::string path = (dir_ / "f").string();
  Tensor t(DType::f32, {4, 4});
  expect_write_fails(path, {{"x", t.view}, {"x", t.view}}, {"tensor x", "named twice"});
  expect_write_fails(path, {{"", t.view}}, {"cannot name a tensor"});
  expect_write_fails(path, {{"__metadata__", t.view}}, {"__metadata__", "cannot name a tensor"});
  expect_write_fails(path, {{"x", slice(ConstTensorView(t.view), 1, 0, 2)}}, {"tensor x", "contiguous"});
  expect_write_fails(path, {{"x\xff", t.view}}, {"UTF-8"});
  ConstTensorView device = t.view;
  device.space = glmv::Space::cuda;
  expect_write_fails(path, {{"x", device}}, {"tensor x", "host memory"});
  expect_write_fails(path, {{"x", make_view(static_cast<const void*>(nullptr), DType::f32, {1})}},
                     {"tensor x", "no data"});
  EXPECT_EQ(files_in_folder(), 0u);
}

TEST_F(Safetensors, PlacesThatCannotBeWritten) {
  Tensor t(DType::f32, {1});
  expect_write_fails((dir_ / "no" / "such" / "f").string(), {{"x", t.view}}, {"No such file"});
  expect_write_fails(dir_.string(), {{"x", t.view}}, {"not a regular file"});
  expect_write_fails("/dev/full", {{"x", t.view}}, {"/dev/full", "not a regular file"});
  EXPECT_EQ(files_in_folder(), 0u);
}

/// A write that stops half-way, as on a full disk: the limit on file sizes gives the same kind of error.
TEST_F(Safetensors, AFullDiskIsAnErrorAndLeavesTheOldFile) {
  const std::string path = (dir_ / "f").string();
  Tensor small(DType::f32, {1}), big(DType::u8, {1 << 20});
  glmv::write_safetensors(path, {{"x", small.view}}, {});
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{1 << 16, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  expect_write_fails(path, {{"x", big.view}}, {path.c_str(), "cannot be written", "File too large"});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(SafetensorsFile::open(path).get("x").dim[0], 1);
  EXPECT_EQ(files_in_folder(), 1u);
}

// ---- traces ----

TEST_F(Safetensors, ATraceSaysWhatItIs) {
  glmv::TraceWriter trace;
  Tensor ids(DType::i64, {2});
  ids.data<int64_t>()[1] = 5;
  trace.add("input_ids", ids);
  trace.metadata()["dtype"] = "f32";
  trace.metadata()["format"] = "overwritten";
  const std::string path = (dir_ / "t").string();
  trace.write(path);
  const auto file = SafetensorsFile::open(path);
  EXPECT_EQ(file.metadata().at("format"), "glmv.trace/1");
  EXPECT_EQ(file.metadata().at("dtype"), "f32");
  EXPECT_EQ((glmv::as<int64_t, 1>(file.get("input_ids"))(1)), 5);
  trace.add("empty", Tensor());
  EXPECT_THROW(trace.write(path), glmv::Error);
}

}  // namespace
