// Files of tensors as torch, numpy and engines write them: what is read, and what must be refused.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "crosscheck/adapters/foreign.h"
#include "crosscheck/adapters/pickle.h"
#include "zip_writer.h"

namespace glmv {
namespace {

namespace fs = std::filesystem;
const std::string kSamples = GLMV_SOURCE_DIR "/tests/crosscheck_peers/";

std::vector<double> values(const ForeignTensors& file, const std::string& name) {
  const ConstTensorView view = file.tensors.at(name);
  Tensor t(DType::f64, view);
  convert(view, t.view);
  return {t.data<double>(), t.data<double>() + view.size()};
}

class Adapters : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(dir_); }
  void TearDown() override { fs::remove_all(dir_); }

  std::string written(const std::string& bytes, const std::string& name = "file") {
    std::string path = (dir_ / name).string();
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  /// One clear error of exit code 3 that names the file and all of `parts`.
  void expect_refused(const std::string& bytes, const std::vector<std::string>& parts) {
    const std::string path = written(bytes);
    try {
      read_foreign(path);
      ADD_FAILURE() << "no error, expected " << parts.at(0);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::bad_input) << e.what();
      EXPECT_NE(std::string(e.what()).find(path), std::string::npos) << e.what();
      for (const std::string& part : parts) EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  }
  fs::path dir_ = fs::path(testing::TempDir()) / concat("glmv-adapters-", ::getpid());
};

// ---- what honest programs write ----

TEST_F(Adapters, ReadsWhatTorchSaves) {
  const ForeignTensors file = read_foreign(kSamples + "values.pt");
  EXPECT_EQ(file.format, "torch.save archive");
  EXPECT_EQ(concat(file.tensors.at("f32")), "f32 [4,6]");
  EXPECT_EQ(concat(file.tensors.at("transposed")), "f32 [6,4]");
  EXPECT_EQ(values(file, "transposed")[1], 6);
  EXPECT_EQ(values(file, "part"), (std::vector<double>{8, 9, 14, 15}));
  EXPECT_EQ(values(file, "expanded"), (std::vector<double>{0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(file.tensors.at("bf16").dtype, DType::bf16);
  EXPECT_EQ(values(file, "bf16"), (std::vector<double>{1.5, -2}));
  EXPECT_EQ(values(file, "i16"), (std::vector<double>{-3, 4}));
  EXPECT_EQ(values(file, "bool"), (std::vector<double>{1, 0}));
  EXPECT_EQ(concat(file.tensors.at("scalar")), "i64 []");
  EXPECT_EQ(file.tensors.at("empty").size(), 0);
  EXPECT_EQ(values(file, "nested.list.0"), (std::vector<double>{1}));
  EXPECT_EQ(values(file, "nested.list.1.0"), (std::vector<double>{2}));
  EXPECT_EQ(values(file, "parameter"), (std::vector<double>{1, 1}));
  EXPECT_EQ(values(file, "ordered.x"), (std::vector<double>{3}));
  EXPECT_EQ(file.metadata.at("name"), "a run");
  EXPECT_EQ(file.metadata.at("step"), "3");
}

TEST_F(Adapters, ReadsAStateDict) {
  const ForeignTensors file = read_foreign(kSamples + "state_dict.pt");
  ASSERT_EQ(file.tensors.size(), 1u);
  EXPECT_EQ(concat(file.tensors.at("weight")), "f32 [2,2]");
}

TEST_F(Adapters, ReadsWhatNumpySaves) {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    const ForeignTensors file = read_foreign(kSamples + name);
    EXPECT_EQ(file.tensors.size(), 6u) << name;
    EXPECT_EQ(values(file, "rows"), (std::vector<double>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(values(file, "columns"), (std::vector<double>{0, 1, 2, 3, 4, 5}));
    EXPECT_EQ(values(file, "ids"), (std::vector<double>{3, -1}));
    EXPECT_EQ(values(file, "large"), (std::vector<double>{4294967295}));
    EXPECT_EQ(values(file, "scalar"), (std::vector<double>{2.5}));
    EXPECT_EQ(file.tensors.at("zeros").size(), 4096);
  }
  EXPECT_EQ(values(read_foreign(kSamples + "one.npy"), "one").size(), 6u);
}

TEST_F(Adapters, ReadsTheFoldersOfDumpers) {
  const ForeignTensors dumper = read_foreign(kSamples + "sglang_dumper");
  EXPECT_EQ(dumper.tensors.size(), 3u);
  EXPECT_EQ(dumper.tensors.count("layer2_out"), 1u);
  const ForeignTensors hooks = read_foreign(kSamples + "sglang_hooks");
  EXPECT_EQ(hooks.tensors.count("model.layers.1.mlp.gate.0"), 1u);
  const ForeignTensors debugger = read_foreign(kSamples + "hf_debugger");
  EXPECT_EQ(debugger.tensors.count("model.language_model.layers.1.mlp.gate_outputs_2"), 1u);
  EXPECT_EQ(debugger.tensors.count("inputs_kwargs_input_ids"), 1u);
}

TEST_F(Adapters, ContentDecidesNotTheName) {
  fs::copy_file(kSamples + "stored.npz", dir_ / "dump.safetensors");
  EXPECT_EQ(read_foreign((dir_ / "dump.safetensors").string()).format, "npz archive");
}

TEST_F(Adapters, SaysWhatAFileIsThatHoldsNoTensors) {
  expect_refused("GGUF\3", {"GGUF", "llamacpp_dump.cc"});
  expect_refused("common_debug_cb_eval: norm-0 = (f32)", {"four decimals"});
  expect_refused("{\"a\": 1}", {"not a safetensors"});
  expect_refused("\x80\x04K\x01.", {"bare pickle"});
  const std::string old = kSamples + "legacy.pt";
  try {
    read_foreign(old);
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("before version 1.6"), std::string::npos) << e.what();
  }
}

// ---- pickles that want more than data ----

std::string torch_archive(const std::string& pickle, const std::string& storage = std::string(16, '\0')) {
  return zip_of({{"a/data.pkl", pickle}, {"a/data/0", storage}});
}

/// A tensor whose persistent id and arguments are given as pickle opcodes.
std::string tensor_pickle(const std::string& elements, const std::string& offset, const std::string& size,
                          const std::string& stride, const std::string& key = "0", const std::string& more = "") {
  return "\x80\x02"
         "ctorch._utils\n_rebuild_tensor_v2\n((X\x07" +
         std::string("\0\0\0storage", 10) + "ctorch\nFloatStorage\nX" + little(key.size(), 4) + key + "X\x03" +
         std::string("\0\0\0cpu", 6) + elements + "tQ" + offset + size + stride + "\x89}" + more + "tR.";
}

/// Two floats 1 and -2, with metadata given as pickle opcodes.
std::string with_metadata(const std::string& metadata) {
  const float numbers[] = {1, -2};
  const std::string storage(reinterpret_cast<const char*>(numbers), sizeof numbers);
  return torch_archive(tensor_pickle("K\2", std::string("K\0", 2), "K\2\x85", "K\1\x85", "0", metadata), storage);
}

/// One entry of a dict: a key of text and a value.
std::string entry(const std::string& key, const std::string& value) {
  return "X" + little(key.size(), 4) + key + value + "s";
}

TEST_F(Adapters, LazyNegationIsApplied) {
  const auto read = [&](const std::string& metadata) {
    return values(read_foreign(written(with_metadata(metadata))), "tensor");
  };
  const std::vector<double> as_stored = {1, -2}, negated = {-1, 2};
  EXPECT_EQ(read(""), as_stored);
  EXPECT_EQ(read("N"), as_stored);
  EXPECT_EQ(read("}"), as_stored);
  EXPECT_EQ(read("}" + entry("neg", "\x89") + entry("conj", "\x89")), as_stored);
  EXPECT_EQ(read("}" + entry("neg", "\x88")), negated);
  EXPECT_EQ(values(read_foreign(kSamples + "lazy.pt"), "negated"), negated) << "what torch itself writes";
  EXPECT_EQ(values(read_foreign(kSamples + "lazy.pt"), "part"), (std::vector<double>{4}));
}

TEST_F(Adapters, OtherMetadataOfATensorAreRefused) {
  expect_refused(with_metadata("}" + entry("conj", "\x88")), {"conj is True", "complex"});
  expect_refused(with_metadata("}" + entry("zerotensor", "\x88")),
                 {"tensor", "metadata has zerotensor", "neg and conj"});
  expect_refused(with_metadata("}K\1\x88s"), {"a key that is no text"});
  expect_refused(with_metadata("}" + entry("neg", "K\1")), {"metadata neg is neither"});
  expect_refused(with_metadata("]"), {"metadata is no dict"});
  expect_refused(with_metadata("}N"), {"_rebuild_tensor_v2 with 8 arguments"});
}

TEST_F(Adapters, IntegersOfAnyWidthAreRead) {
  const ForeignTensors file = read_foreign(kSamples + "lazy.pt");
  for (const char* type : {"u16", "u32", "u64"}) EXPECT_EQ(values(file, type), (std::vector<double>{3, 40000})) << type;
  EXPECT_EQ(file.tensors.at("f8").dtype, DType::f8e4m3);
  const auto npy = [](const std::string& numbers) {
    const std::string header = "{'descr': '<u8', 'fortran_order': False, 'shape': (2,)}";
    return "\x93NUMPY\1" + std::string("\0", 1) + little(header.size(), 2) + header + numbers;
  };
  const uint64_t most = INT64_MAX;
  EXPECT_EQ(values(read_foreign(written(npy(little(3, 8) + little(40000, 8)), "ids")), "ids"),
            (std::vector<double>{3, 40000}));
  EXPECT_EQ(read_foreign(written(npy(little(0, 8) + little(most, 8)))).tensors.size(), 1u);
  expect_refused(npy(little(0, 8) + little(most + 1, 8)), {"element 1 is 9223372036854775808"});
  const auto safetensors = [](const std::string& type, const std::string& numbers) {
    const std::string header =
        concat("{\"ids\":{\"dtype\":\"", type, "\",\"shape\":[2],\"data_offsets\":[0,", numbers.size(), "]}}");
    return little(header.size(), 8) + header + numbers;
  };
  for (const int bytes : {1, 2, 4, 8}) {
    const std::string numbers = little(3, bytes) + little(100, bytes);
    for (const char* sign : {"U", "I"}) {
      const std::string path = written(safetensors(concat(sign, 8 * bytes), numbers));
      EXPECT_EQ(values(read_foreign(path), "ids"), (std::vector<double>{3, 100})) << sign << bytes;
    }
  }
  EXPECT_EQ(values(read_foreign(written(safetensors("I16", "\xfe\xff\1" + std::string("\0", 1)))), "ids"),
            (std::vector<double>{-2, 1}));
  EXPECT_EQ(values(read_foreign(written(safetensors("U16", "\xfe\xff\1" + std::string("\0", 1)))), "ids"),
            (std::vector<double>{65534, 1}));
  expect_refused(safetensors("U64", little(most + 1, 8) + little(0, 8)),
                 {"tensor ids: element 0 is 9223372036854775808"});
}

TEST_F(Adapters, NamesOfAFileCannotSteerATerminal) {
  const std::string header = R"({"a\u001b[2J\u0007\u009b\u00e9":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                             R"("__metadata__":{"k\u001b":"v\u007f"}})";
  const ForeignTensors file = read_foreign(written(little(header.size(), 8) + header + std::string(4, '\0')));
  EXPECT_EQ(file.tensors.begin()->first, "a\\x1b[2J\\x07\\x9b\u00e9");
  EXPECT_EQ(file.metadata.begin()->first, "k\\x1b");
  EXPECT_EQ(file.metadata.begin()->second, "v\\x7f");
  expect_refused(with_metadata("}" + entry("\x1b]0;owned\a", "\x88")), {"metadata has \\x1b]0;owned\\x07"});
  // Names of files become names of tensors.
  fs::create_directories(dir_ / "dump");
  for (const char* name : {"a\x1b[31m.npy", "b.npy"}) fs::copy_file(kSamples + "one.npy", dir_ / "dump" / name);
  EXPECT_EQ(read_foreign((dir_ / "dump").string()).tensors.count("a\\x1b[31m"), 1u);
}

TEST_F(Adapters, AnHonestTensorByHandIsRead) {
  const std::string path =
      written(torch_archive(tensor_pickle("K\4", std::string("K\0", 2), "K\2K\2\x86", "K\2K\1\x86")));
  EXPECT_EQ(concat(read_foreign(path).tensors.at("tensor")), "f32 [2,2]");
}

TEST_F(Adapters, NoCodeRuns) {
  const std::string marker = (dir_ / "ran").string(), command = "touch " + marker;
  const std::string call = "(X" + little(command.size(), 4) + command + "tR.";
  for (const std::string name : {"posix\nsystem", "os\nsystem", "builtins\neval", "subprocess\nPopen", "torch\nload",
                                 "torch.storage\n_load_from_bytes", "torch\nos.systemStorage", "builtins\ngetattr"}) {
    expect_refused(torch_archive(concat("\x80\x02", "c", name, "\n", call)), {"nothing was run"});
  }
  const std::string named = "\x80\x04\x8c\x05posix\x8c\x06system\x93";
  expect_refused(torch_archive(named + call), {"posix.system", "nothing was run"});
  // Opcodes that call without REDUCE: INST, OBJ, NEWOBJ, NEWOBJ_EX, EXT1 and the old PERSID.
  for (const char* code : {"(iposix\nsystem\n.", "(o.", "]]\x81.", "]]]\x92.", "\x82\x01.", "Pid\n."})
    expect_refused(torch_archive(std::string("\x80\x02") + code), {"pickle at byte"});
  EXPECT_FALSE(fs::exists(marker));
}

TEST_F(Adapters, TheProgramSaysOneLineAndEndsWithCode3) {
  const std::string evil = written(torch_archive(concat("\x80\x02", "cposix\nsystem\n)R.")), "evil.pt");
  const std::string said = (dir_ / "said").string();
  for (const std::string& verb :
       {concat("diff ", evil, ' ', kSamples, "one.npy"),
        concat("crosscheck --model " GLMV_SOURCE_DIR "/tests/golden/moe_a --against ", evil)}) {
    const int status = std::system(concat(GLMV_BINARY_DIR "/glmv ", verb, " > /dev/null 2> ", said).c_str());
    EXPECT_EQ(WEXITSTATUS(status), 3) << verb;
    std::ifstream in(said);
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
    EXPECT_NE(text.find("evil.pt"), std::string::npos) << text;
  }
}

TEST_F(Adapters, PicklesThatLieAreRefused) {
  const std::string head = "\x80\x02", zero = std::string("K\0", 2);
  const std::string square = "K\2K\2\x86", strides = "K\2K\1\x86";
  expect_refused(torch_archive(head + "X\xff\xff\xff\x7f"
                                      "a."),
                 {"bytes, but only"});
  expect_refused(torch_archive(head + "h\x09."), {"memo place 9"});
  expect_refused(torch_archive(head + "0."), {"stack is empty"});
  expect_refused(torch_archive(head + "(."), {"ends with"});
  expect_refused(torch_archive(head + "]"), {"opcode"});
  expect_refused(torch_archive(head + "}K\1s."), {"stack is empty"});
  expect_refused(torch_archive(head + "]K\1K\2s."), {"no dict"});
  expect_refused(torch_archive(head + "N."), {"no tensors"});
  expect_refused(torch_archive(tensor_pickle("K\5", zero, square, strides)), {"5 elements", "16 bytes"});
  expect_refused(torch_archive(tensor_pickle("K\4", "K\1", square, strides)), {"last element"});
  expect_refused(torch_archive(tensor_pickle("K\4", "J\xff\xff\xff\xff", square, strides)), {"offset -1"});
  expect_refused(torch_archive(tensor_pickle("K\4", zero, "J\xff\xff\xff\xffK\2\x86", strides)), {"extent -1"});
  expect_refused(torch_archive(tensor_pickle("K\4", zero, square, "J\xfe\xff\xff\xffK\1\x86")), {"stride -2"});
  expect_refused(torch_archive(tensor_pickle("K\4", zero, "\x8a\x08" + little(uint64_t{1} << 62, 8) + "K\x08\x86",
                                             zero + zero + "\x86")),
                 {"overflows"});
  expect_refused(torch_archive(tensor_pickle("K\4", zero, "J\xff\xff\xff\x7f\x85", zero + "\x85")),
                 {"elements out of 4"});
  expect_refused(torch_archive(tensor_pickle("K\4", zero, "(K\1K\1K\1K\1K\1K\1t", "(K\1K\1K\1K\1K\1K\1t")), {"axes"});
  expect_refused(torch_archive(tensor_pickle("K\4", zero, square, "K\1\x85")), {"2 extents but 1 strides"});
  expect_refused(torch_archive(tensor_pickle("K\4", zero, square, strides, "../0")), {"data/../0", "not in the file"});
}

TEST_F(Adapters, DeepAndCircularPicklesEnd) {
  std::string deep = "\x80\x02";
  for (int i = 0; i < 300000; ++i) deep += "]";
  for (int i = 0; i < 299999; ++i) deep += "a";
  expect_refused(torch_archive(deep + "."), {"levels"});
  expect_refused(torch_archive(std::string("\x80\x02]q\0h\0a.", 9)), {"levels"});
  // Lists of two of the list before: 2^60 leaves out of some 400 bytes.
  std::string laughs = std::string("\x80\x02]q\0", 5);
  for (int i = 1; i <= 30; ++i)
    laughs += std::string("(h") + static_cast<char>(i - 1) + "h" + static_cast<char>(i - 1) + "lq" +
              static_cast<char>(i) + '0';
  expect_refused(torch_archive(laughs + "0h\x1e."), {"values to walk"});
  std::string many = "\x80\x02(";
  for (int i = 0; i < 1100000; ++i) many += 'N';
  expect_refused(torch_archive(many + "l."), {"more than 1000000 values"});
}

// ---- zip archives that lie ----

TEST_F(Adapters, ArchivesThatLieAreRefused) {
  const std::string body = "\x93NUMPY\1" + std::string("\0", 1) + little(60, 2) +
                           "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }   " + std::string(8, 'x');
  const std::vector<ZipEntry> honest = {{"a.npy", body}, {"b.npy", body}};
  EXPECT_EQ(read_foreign(written(zip_of(honest))).tensors.size(), 2u);
  const std::string whole = zip_of(honest);
  const auto with = [&](auto lie) { return zip_of(honest, lie); };
  using Entries = std::vector<ZipEntry>;
  expect_refused(with([](Entries& e) { e[1].place = e[0].place; }), {"overlap"});
  expect_refused(with([](Entries& e) { e[1].place += 5; }), {"local header"});
  expect_refused(with([](Entries& e) { e[1].place = 1u << 30; }), {"do not lie within"});
  expect_refused(with([](Entries& e) { e[1].stored_bytes = e[1].bytes = 1u << 30; }), {"do not lie within"});
  expect_refused(with([](Entries& e) { e[1].bytes += 1; }), {"stored"});
  expect_refused(with([](Entries& e) { e[1].name = "a.npy"; }), {"two members"});
  expect_refused(with([](Entries& e) { e[1].flags = 1; }), {"encrypted"});
  expect_refused(with([](Entries& e) { e[1].method = 12; }), {"compression method 12"});
  expect_refused(with([](Entries& e) { e[1].crc ^= 1; }), {"checksum"});
  expect_refused(with([](Entries& e) { e[1].bytes = 0xffffffff; }), {"zip64"});
  for (size_t cut : {size_t{1}, size_t{10}, size_t{22}, whole.size() / 2}) {
    expect_refused(whole.substr(0, whole.size() - cut), {"is the file complete?"});
  }
  expect_refused(zip_of({{"readme.txt", "hello"}}), {"no data.pkl"});
}

TEST_F(Adapters, BombsDoNotGrow) {
  ZipEntry bomb("a.npy", std::string(1 << 20, '\0'), true);
  const auto claims = [&](uint64_t bytes) {
    return zip_of({bomb}, [&](std::vector<ZipEntry>& e) { e[0].bytes = bytes; });
  };
  expect_refused(claims(0xfffffffe), {"claim to grow"});
  expect_refused(claims(1000), {"does not inflate"});
  expect_refused(claims((1 << 20) + 1), {"does not inflate"});
  std::vector<ZipEntry> many;
  for (int i = 0; i < 1100; ++i) {
    many.push_back(bomb);
    many.back().name = concat(i, ".npy");
  }
  expect_refused(zip_of(many), {"claim to grow"});
}

TEST_F(Adapters, ArraysThatLieAreRefused) {
  const auto npy = [](const std::string& header, const std::string& data) {
    return "\x93NUMPY\1" + std::string("\0", 1) + little(header.size(), 2) + header + data;
  };
  const auto shaped = [&](const std::string& shape, const std::string& descr = "<f4") {
    return npy("{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + "}", std::string(16, 'x'));
  };
  EXPECT_EQ(read_foreign(written(shaped("(4,)"))).tensors.size(), 1u);
  expect_refused(shaped("(5,)"), {"last element"});
  expect_refused(shaped("(3,)"), {"12 bytes of data expected, 16"});
  expect_refused(shaped("(-4,)"), {"extent -4"});
  expect_refused(shaped("(9223372036854775807, 4)"), {"overflows"});
  expect_refused(shaped("(0, 9223372036854775807, 9223372036854775807)"), {"overflows"});
  expect_refused(shaped("(99999999999999999999,)"), {"no number"});
  expect_refused(shaped("(1, 1, 1, 1, 1, 4)"), {"axes"});
  expect_refused(shaped("(4"), {"expected"});
  expect_refused(shaped("(4,)", "|O"), {"descr '|O'", "objects"});
  expect_refused(shaped("(4,)", ">f4"), {"descr '>f4'", "big-endian"});
  expect_refused(shaped("(4,)", "<c8"), {"descr '<c8'", "complex"});
  expect_refused(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,)}", ""), {"record of several"});
  expect_refused(zip_of({{"b.npy", shaped("(4,)", "|O")}}), {"member b.npy", "descr '|O'"});
  expect_refused(npy("{'shape': __import__('os').system('id')}", ""), {"npy header"});
  expect_refused(npy("", ""), {"npy header"});
  expect_refused("\x93NUMPY\1" + std::string("\0\xff\xff", 3) + "{", {"header"});
  expect_refused("\x93NUMPY\7" + std::string("\0\0\0", 3), {"version 7"});
}

}  // namespace
}  // namespace glmv
