// Checkpoint folders: shards against their index, the Hugging Face cache, hashes.
#include "data/checkpoint.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace {

namespace fs = std::filesystem;
using glmv::Checkpoint;
using glmv::DType;
using glmv::ExitCode;
using glmv::Tensor;
using nlohmann::json;

class CheckpointFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "glmv_checkpoint_XXXXXX").string();
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override { fs::remove_all(dir_); }

  /// A shard with one-number tensors, each number the length of its name.
  void put_shard(const std::string& file, const std::vector<std::string>& names) {
    std::vector<Tensor> owned;
    glmv::NamedTensors tensors;
    for (const std::string& name : names) {
      owned.emplace_back(DType::f32, std::initializer_list<int64_t>{1});
      owned.back().data<float>()[0] = static_cast<float>(name.size());
      tensors.emplace_back(name, owned.back().view);
    }
    glmv::write_safetensors((dir_ / file).string(), tensors, {});
  }
  void put_index(const json& map) { put_text("model.safetensors.index.json", json{{"weight_map", map}}.dump()); }
  void put_text(const std::string& file, const std::string& text) {
    std::ofstream(dir_ / file, std::ios::binary) << text;
  }
  void put_two_shards() {
    put_shard("a.safetensors", {"one", "three"});
    put_shard("b.safetensors", {"seventeen"});
    put_index({{"one", "a.safetensors"}, {"three", "a.safetensors"}, {"seventeen", "b.safetensors"}});
  }
  void expect_refused(std::initializer_list<const char*> words) {
    try {
      Checkpoint::open(dir_.string());
      ADD_FAILURE() << "accepted";
    } catch (const glmv::Error& e) {
      const std::string message = e.what();
      EXPECT_EQ(e.code(), ExitCode::bad_input) << message;
      EXPECT_NE(message.find(dir_.string()), std::string::npos) << message;
      for (const char* word : words)
        EXPECT_NE(message.find(word), std::string::npos) << "no \"" << word << "\" in: " << message;
    }
  }
  fs::path dir_;
};

TEST_F(CheckpointFolder, OneFile) {
  put_shard("model.safetensors", {"b", "aa"});
  const auto checkpoint = Checkpoint::open(dir_.string());
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"aa", "b"}));
  EXPECT_EQ(checkpoint.data_bytes(), 8);
  EXPECT_TRUE(checkpoint.has("b"));
  EXPECT_EQ((glmv::as<float, 1>(checkpoint.get("aa"))(0)), 2.0f);
  EXPECT_THROW(checkpoint.get("c"), glmv::Error);
  EXPECT_EQ(checkpoint.files(), (std::vector<std::string>{(dir_ / "model.safetensors").string()}));
}

TEST_F(CheckpointFolder, Shards) {
  put_two_shards();
  const auto checkpoint = Checkpoint::open(dir_.string());
  EXPECT_EQ(checkpoint.names(), (std::vector<std::string>{"one", "seventeen", "three"}));
  EXPECT_EQ((glmv::as<float, 1>(checkpoint.get("seventeen"))(0)), 9.0f);
  EXPECT_EQ(checkpoint.files().size(), 2u);
  EXPECT_EQ(checkpoint.data_bytes(), 12);
}

TEST_F(CheckpointFolder, NoWeights) {
  expect_refused({"neither model.safetensors nor model.safetensors.index.json"});
  put_text("pytorch_model.bin", "x");
  expect_refused({"pytorch_model.bin", "only safetensors"});
  fs::remove(dir_ / "pytorch_model.bin");
  put_shard("model-00001-of-00002.safetensors", {"x"});
  expect_refused({"model-00001-of-00002.safetensors", "no model.safetensors.index.json"});
  fs::remove_all(dir_);
  expect_refused({"no such directory"});
}

TEST_F(CheckpointFolder, IndexAndShardsMustAgree) {
  put_two_shards();
  fs::remove(dir_ / "b.safetensors");
  expect_refused({"b.safetensors", "missing"});
  put_shard("b.safetensors", {"other"});
  expect_refused({"b.safetensors", "tensor other", "not in model.safetensors.index.json"});
  put_shard("b.safetensors", {});
  expect_refused({"weight_map", "seventeen", "not in b.safetensors"});
  put_shard("b.safetensors", {"seventeen", "one"});
  expect_refused({"b.safetensors", "tensor one", "puts it in a.safetensors"});
  put_text("b.safetensors", "garbage!");
  expect_refused({"b.safetensors", "header length"});
}

TEST_F(CheckpointFolder, ASingleFileBesideAnIndexIsAmbiguous) {
  put_two_shards();
  put_shard("model.safetensors", {"one"});
  expect_refused({"both model.safetensors and"});
  put_index({{"one", "model.safetensors"}});
  EXPECT_EQ(Checkpoint::open(dir_.string()).names(), (std::vector<std::string>{"one"}));
}

TEST_F(CheckpointFolder, MalformedIndex) {
  const char* const index = "model.safetensors.index.json";
  for (const char* text :
       {"", "{", "[]", "{}", R"({"weight_map":[]})", R"({"weight_map":{}})", R"({"weight_map":{"x":3}})",
        R"({"weight_map":{"x":"f","x":"f"}})", R"({"weight_map":{"x":"f"},"weight_map":{"x":"f"}})"}) {
    put_text(index, text);
    expect_refused({index});
  }
  put_text(index, std::string(100000, '['));
  expect_refused({"nested"});
  put_text(index, R"({"weight_map":{"x":"f"}})" + std::string("\0{", 2));
  expect_refused({"zero byte"});
}

TEST_F(CheckpointFolder, ShardsOutsideTheFolderAreRefused) {
  for (const char* file : {"../x.safetensors", "/etc/passwd", "sub/x.safetensors", "..", ".", "", "a\\b"}) {
    put_index({{"x", file}});
    expect_refused({"weight_map", "not a plain file name"});
  }
}

// ---- hashes ----

TEST(Sha256, KnownValues) {
  EXPECT_EQ(glmv::sha256_hex("abc", 3), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(glmv::sha256_hex("", 0), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_F(CheckpointFolder, HashIsOverTheBytesOfAllFilesInNameOrder) {
  put_two_shards();
  std::string all;
  for (const char* file : {"a.safetensors", "b.safetensors"}) {
    std::ifstream in(dir_ / file, std::ios::binary);
    all.append(std::istreambuf_iterator<char>(in), {});
  }
  EXPECT_EQ(Checkpoint::open(dir_.string()).sha256(), glmv::sha256_hex(all.data(), all.size()));
}

/// The traces' model hash was computed by Python.
TEST(Golden, ModelHashOfTheTracesIsReproduced) {
  const fs::path folder = fs::path(GLMV_SOURCE_DIR) / "tests" / "golden" / "moe_a";
  const fs::path trace = folder / "traces" / "text.safetensors";
  if (!fs::exists(trace)) GTEST_SKIP() << "no goldens";
  const auto metadata = glmv::SafetensorsFile::open(trace.string()).metadata();
  ASSERT_EQ(metadata.count("model_sha256"), 1u);
  EXPECT_EQ(Checkpoint::open(folder.string()).sha256(), metadata.at("model_sha256"));
}

// ---- a checkpoint of the real size ----

/// Names, shapes and types of GLM-4.5V on disk.
struct Row {
  std::string name;
  std::vector<int64_t> shape;
  const char* dtype = "BF16";
};

void add_mlp(std::vector<Row>& rows, const std::string& prefix, int64_t width, int64_t hidden, int64_t out) {
  rows.push_back({prefix + "gate_proj.weight", {width, hidden}});
  rows.push_back({prefix + "up_proj.weight", {width, hidden}});
  rows.push_back({prefix + "down_proj.weight", {out, width}});
}

std::vector<Row> text_rows() {
  std::vector<Row> rows = {{"lm_head.weight", {151552, 4096}},
                           {"model.language_model.embed_tokens.weight", {151552, 4096}},
                           {"model.language_model.norm.weight", {4096}}};
  for (int layer = 0; layer < 46; ++layer) {
    const std::string at = "model.language_model.layers." + std::to_string(layer) + ".";
    rows.push_back({at + "input_layernorm.weight", {4096}});
    rows.push_back({at + "post_attention_layernorm.weight", {4096}});
    for (const auto& [name, width] : {std::pair{"q", int64_t{12288}}, {"k", int64_t{1024}}, {"v", int64_t{1024}}}) {
      rows.push_back({at + "self_attn." + name + "_proj.weight", {width, 4096}});
      rows.push_back({at + "self_attn." + name + "_proj.bias", {width}});
    }
    rows.push_back({at + "self_attn.o_proj.weight", {4096, 12288}});
    if (layer == 0) {
      add_mlp(rows, at + "mlp.", 10944, 4096, 4096);
      continue;
    }
    rows.push_back({at + "mlp.gate.weight", {128, 4096}});
    rows.push_back({at + "mlp.gate.e_score_correction_bias", {128}, "F32"});
    for (int e = 0; e < 128; ++e) add_mlp(rows, at + "mlp.experts." + std::to_string(e) + ".", 1408, 4096, 4096);
    add_mlp(rows, at + "mlp.shared_experts.", 1408, 4096, 4096);
  }
  return rows;
}

std::vector<Row> vision_rows() {
  const std::string at = "model.visual.";
  std::vector<Row> rows = {{at + "patch_embed.proj.weight", {1536, 3, 2, 14, 14}},
                           {at + "patch_embed.proj.bias", {1536}},
                           {at + "post_conv_layernorm.weight", {1536}},
                           {at + "embeddings.position_embedding.weight", {576, 1536}},
                           {at + "post_layernorm.weight", {1536}},
                           {at + "downsample.weight", {4096, 1536, 2, 2}},
                           {at + "downsample.bias", {4096}},
                           {at + "merger.proj.weight", {4096, 4096}},
                           {at + "merger.post_projection_norm.weight", {4096}},
                           {at + "merger.post_projection_norm.bias", {4096}}};
  add_mlp(rows, at + "merger.", 10944, 4096, 4096);
  for (int block = 0; block < 24; ++block) {
    const std::string b = at + "blocks." + std::to_string(block) + ".";
    rows.push_back({b + "norm1.weight", {1536}});
    rows.push_back({b + "norm2.weight", {1536}});
    rows.push_back({b + "attn.qkv.weight", {4608, 1536}});
    rows.push_back({b + "attn.proj.weight", {1536, 1536}});
    add_mlp(rows, b + "mlp.", 4096, 1536, 1536);
  }
  return rows;
}

/// A file of the right size with a header and nothing written behind it.
void put_sparse(const fs::path& path, const std::vector<Row>& rows) {
  json header;
  uint64_t end = 0;
  for (const Row& row : rows) {
    uint64_t bytes = row.dtype[0] == 'F' ? 4 : 2;
    for (int64_t d : row.shape) bytes *= static_cast<uint64_t>(d);
    header[row.name] = {{"dtype", row.dtype}, {"shape", row.shape}, {"data_offsets", {end, end + bytes}}};
    end += bytes;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::ofstream out(path, std::ios::binary);
  for (int i = 0; i < 8; ++i) out.put(static_cast<char>(text.size() >> (8 * i) & 0xff));
  out << text;
  out.close();
  fs::resize_file(path, 8 + text.size() + end);
}

TEST_F(CheckpointFolder, ARealSizedCheckpointOpensAtOnce) {
  std::vector<Row> rows = text_rows();
  const std::vector<Row> vision = vision_rows();
  ASSERT_EQ(vision.size(), 181u);
  rows.insert(rows.end(), vision.begin(), vision.end());
  ASSERT_EQ(rows.size(), 18106u);
  // Shards as they come: 46 equal parts.
  constexpr size_t kShards = 46;
  json map;
  for (size_t s = 0; s < kShards; ++s) {
    const std::string file = "model-" + std::to_string(10000 + s + 1).substr(1) + "-of-0046.safetensors";
    const std::vector<Row> part(rows.begin() + static_cast<std::ptrdiff_t>(rows.size() * s / kShards),
                                rows.begin() + static_cast<std::ptrdiff_t>(rows.size() * (s + 1) / kShards));
    for (const Row& row : part) map[row.name] = file;
    try {
      put_sparse(dir_ / file, part);
    } catch (const fs::filesystem_error& e) {
      GTEST_SKIP() << "no room for sparse files here: " << e.what();
    }
  }
  put_index(map);

  const auto start = std::chrono::steady_clock::now();
  const auto checkpoint = Checkpoint::open(dir_.string());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  RecordProperty("open_ms", static_cast<int>(took.count() * 1000));
  EXPECT_LT(took.count(), 10.0);  // 0.1 s unburdened; ten covers sanitizers and a busy machine

  EXPECT_EQ(checkpoint.names().size(), 18106u);
  EXPECT_EQ(checkpoint.files().size(), kShards);
  const int64_t parameters = 107'710'933'120, wide = int64_t{45} * 128;  // the correction biases have four bytes each
  EXPECT_EQ(checkpoint.data_bytes(), 2 * parameters + 2 * wide);
  EXPECT_EQ((glmv::as<glmv::bf16, 5>(checkpoint.get("model.visual.patch_embed.proj.weight"))(1535, 2, 1, 13, 13).bits),
            0);
}

// ---- --model ----

/// Sets variables of the environment and puts the old values back.
class Environment {
 public:
  void set(const std::string& name, const std::string& value) {
    const char* old = std::getenv(name.c_str());
    saved_.emplace_back(name, old == nullptr ? std::string() : old);
    if (value.empty()) {
      ::unsetenv(name.c_str());
    } else {
      ::setenv(name.c_str(), value.c_str(), 1);
    }
  }
  ~Environment() {
    for (auto it = saved_.rbegin(); it != saved_.rend(); ++it) {
      if (it->second.empty()) {
        ::unsetenv(it->first.c_str());
      } else {
        ::setenv(it->first.c_str(), it->second.c_str(), 1);
      }
    }
  }

 private:
  std::vector<std::pair<std::string, std::string>> saved_;
};

class ResolveModel : public CheckpointFolder {
 protected:
  void SetUp() override {
    CheckpointFolder::SetUp();
    for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"})
      environment_.set(name, "");
    environment_.set("HOME", dir_.string());
  }
  /// A cached model below `cache` with one snapshot that `main` names.
  std::string put_model(const fs::path& cache, const std::string& folder, const std::string& commit) {
    const fs::path snapshot = cache / folder / "snapshots" / commit;
    fs::create_directories(snapshot);
    fs::create_directories(cache / folder / "refs");
    std::ofstream(cache / folder / "refs" / "main") << commit << '\n';
    return snapshot.string();
  }
  void expect_unresolved(const std::string& model, ExitCode code, std::initializer_list<const char*> words) {
    try {
      ADD_FAILURE() << glmv::resolve_model(model);
    } catch (const glmv::Error& e) {
      const std::string message = e.what();
      EXPECT_EQ(e.code(), code) << message;
      for (const char* word : words)
        EXPECT_NE(message.find(word), std::string::npos) << "no \"" << word << "\" in: " << message;
    }
  }
  Environment environment_;
};

TEST_F(ResolveModel, ADirectoryIsItself) {
  EXPECT_EQ(glmv::resolve_model(dir_.string()), dir_.string());
  put_text("config.json", "{}");
  expect_unresolved((dir_ / "config.json").string(), ExitCode::usage, {"is a file"});
  expect_unresolved((dir_ / "absent").string(), ExitCode::bad_input, {"no such directory"});
  expect_unresolved("", ExitCode::usage, {"empty"});
}

TEST_F(ResolveModel, CachePlacesInTheOrderOfTheLibrary) {
  const std::string folder = "models--zai-org--GLM-4.5V", model = "zai-org/GLM-4.5V";
  const std::string home = put_model(dir_ / ".cache" / "huggingface" / "hub", folder, "c1");
  const std::string xdg = put_model(dir_ / "xdg" / "huggingface" / "hub", folder, "c2");
  const std::string hf_home = put_model(dir_ / "hf" / "hub", folder, "c3");
  const std::string hub = put_model(dir_ / "hub", folder, "c4");
  EXPECT_EQ(glmv::resolve_model(model), home);
  environment_.set("XDG_CACHE_HOME", (dir_ / "xdg").string());
  EXPECT_EQ(glmv::resolve_model(model), xdg);
  environment_.set("HF_HOME", (dir_ / "hf").string());
  EXPECT_EQ(glmv::resolve_model(model), hf_home);
  environment_.set("HF_HUB_CACHE", (dir_ / "hub").string());
  EXPECT_EQ(glmv::resolve_model(model), hub);
}

TEST_F(ResolveModel, Revisions) {
  const fs::path cache = dir_ / "hub";
  environment_.set("HF_HUB_CACHE", cache.string());
  const std::string main = put_model(cache, "models--a--b", "1111");
  const std::string other = (cache / "models--a--b" / "snapshots" / "2222").string();
  fs::create_directories(other);
  fs::create_directories(cache / "models--a--b" / "refs" / "refs" / "pr");
  std::ofstream(cache / "models--a--b" / "refs" / "refs" / "pr" / "1") << "2222";
  std::ofstream(cache / "models--a--b" / "refs" / "gone") << "3333";
  std::ofstream(cache / "models--a--b" / "refs" / "evil") << "../../x";
  EXPECT_EQ(glmv::resolve_model("a/b"), main);
  EXPECT_EQ(glmv::resolve_model("a/b@main"), main);
  EXPECT_EQ(glmv::resolve_model("a/b@2222"), other);
  EXPECT_EQ(glmv::resolve_model("a/b@refs/pr/1"), other);
  expect_unresolved("a/b@gone", ExitCode::bad_input, {"revision gone", "3333"});
  expect_unresolved("a/b@evil", ExitCode::bad_input, {"refs/evil", "not a commit"});
  expect_unresolved("a/b@v9", ExitCode::bad_input, {"revision v9"});
  expect_unresolved("a/b@", ExitCode::bad_input, {"not a revision"});
  expect_unresolved("a/b@../../x", ExitCode::bad_input, {"not a revision"});
  expect_unresolved("a/c", ExitCode::bad_input, {"models--a--c", "nothing is downloaded"});
  expect_unresolved("a/b/c", ExitCode::bad_input, {"no such directory"});
  expect_unresolved("../b", ExitCode::bad_input, {"no such directory"});
  const std::string plain = put_model(cache, "models--gpt2", "5555");
  EXPECT_EQ(glmv::resolve_model("gpt2"), plain);
}

}  // namespace
