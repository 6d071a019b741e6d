// The full-size model without its 215 GB: counts are exact, and one layer needs one layer's memory.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "reference/model/glm4v.h"
#include "reference/model/summary.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

/// The published numbers of GLM-4.5V, in the layout of its own file.
const char* const kFullConfig = R"({
  "architectures": ["Glm4vMoeForConditionalGeneration"], "model_type": "glm4v_moe",
  "image_token_id": 151363, "video_token_id": 151364, "image_start_token_id": 151339, "image_end_token_id": 151340,
  "video_start_token_id": 151341, "video_end_token_id": 151342, "tie_word_embeddings": false, "transformers_version": "4.55.0",
  "text_config": {
    "model_type": "glm4v_moe_text", "vocab_size": 151552, "hidden_size": 4096, "num_hidden_layers": 46,
    "num_attention_heads": 96, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 10944,
    "moe_intermediate_size": 1408, "n_routed_experts": 128, "num_experts_per_tok": 8, "n_shared_experts": 1, "n_group": 1,
    "topk_group": 1, "norm_topk_prob": true, "routed_scaling_factor": 1.0, "first_k_dense_replace": 1,
    "attention_bias": true, "attention_dropout": 0.0, "hidden_act": "silu", "rms_norm_eps": 1e-05,
    "max_position_embeddings": 65536, "rope_theta": 10000.0, "partial_rotary_factor": 0.5, "use_qk_norm": false,
    "rope_scaling": {"rope_type": "default", "mrope_section": [8, 12, 12]}, "use_cache": true, "dtype": "bfloat16",
    "eos_token_id": [151329, 151336, 151338], "pad_token_id": 151329
  },
  "vision_config": {
    "model_type": "glm4v_moe", "depth": 24, "hidden_size": 1536, "num_heads": 12, "out_hidden_size": 4096,
    "intermediate_size": 10944, "image_size": 336, "patch_size": 14, "temporal_patch_size": 2, "spatial_merge_size": 2,
    "in_channels": 3, "attention_bias": false, "attention_dropout": 0.0, "hidden_act": "silu", "rms_norm_eps": 1e-05
  }
})";

/// One shard while its header grows; data are written as a hole.
struct Shard {
  Json header = Json::object();
  int64_t bytes = 0;

  void add(const std::string& name, const char* dtype, int64_t element, const std::vector<int64_t>& shape) {
    int64_t n = element;
    for (const int64_t d : shape) n *= d;
    header[name] = {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {bytes, bytes + n}}};
    bytes += n;
  }
  void write(const fs::path& path) const {
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    const auto length = static_cast<uint64_t>(text.size());
    std::ofstream out(path, std::ios::binary);
    out.write(reinterpret_cast<const char*>(&length), 8).write(text.data(), static_cast<std::streamsize>(text.size()));
    out.close();
    fs::resize_file(path, 8 + text.size() + static_cast<uint64_t>(bytes));
  }
};

/// The whole snapshot, one shard per decoder layer and one for the rest, as holes.
class SparseSnapshot : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    dir_ = fs::path(testing::TempDir()) / concat("glmv-sparse-", ::getpid());
    fs::create_directories(dir_);
    std::ofstream(dir_ / "config.json") << kFullConfig;
    const ModelConfig config = read_config(dir_.string());
    std::vector<Shard> shards(static_cast<size_t>(config.text.num_layers) + 1);
    Json map = Json::object();
    Weights nothing;
    for_each_weight(config, nothing, [&](const WeightInfo& info, Weight&) {
      const size_t shard =
          info.layer >= 0 && info.component != Component::vision ? static_cast<size_t>(info.layer) + 1 : 0;
      const bool exact = info.name.ends_with("e_score_correction_bias");
      shards[shard].add(info.name, exact ? "F32" : "BF16", exact ? 4 : 2, info.shape);
      map[info.name] = file_name(shard);
    });
    for (size_t i = 0; i < shards.size(); ++i) shards[i].write(dir_ / file_name(i));
    std::ofstream(dir_ / "model.safetensors.index.json") << Json({{"metadata", Json::object()}, {"weight_map", map}});
  }
  static void TearDownTestSuite() { fs::remove_all(dir_); }
  static std::string file_name(size_t shard) { return concat("model-", shard, ".safetensors"); }

  static fs::path dir_;
};
fs::path SparseSnapshot::dir_;

/// Bytes of this process that are in memory now.
int64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * ::sysconf(_SC_PAGESIZE);
}

TEST_F(SparseSnapshot, CountsAreExact) {
  const Model model = Model::open(dir_.string());
  EXPECT_EQ(model.checkpoint.names().size(), 18106u);
  EXPECT_TRUE(unused_tensors(model.config, model.checkpoint).empty());
  const ModelSummary s = summarise(model.config);
  EXPECT_EQ(s.tensors, 18106);
  EXPECT_EQ(s.parameters, 107'710'933'120);
  EXPECT_EQ(s.text_parameters, 106'852'251'264);
  EXPECT_EQ(s.vision_parameters, 858'681'856);
  EXPECT_EQ(s.active_parameters, 12'182'615'680);
  EXPECT_EQ(s.active_parameters_with_head, 12'803'372'672);
  EXPECT_EQ(s.bytes_as_published, 215'421'877'760);
  EXPECT_EQ(model.checkpoint.data_bytes(), 215'421'877'760);
  EXPECT_EQ(2 * s.kv_values_per_token, 188'416);
  EXPECT_EQ(s.attention_flops_per_key, 2'260'992);
}

TEST_F(SparseSnapshot, TheCommandLineSaysTheSame) {
  const std::string command = concat(GLMV_BINARY_DIR "/glmv info --json --model ", dir_.string());
  std::FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::string text;
  char block[4096];
  for (size_t n = 1; n > 0;) {
    n = std::fread(block, 1, sizeof block, pipe);
    text.append(block, n);
  }
  ASSERT_EQ(::pclose(pipe), 0);
  const Json info = Json::parse(text);
  EXPECT_EQ(info["parameters"], 107'710'933'120);
  EXPECT_EQ(info["active_parameters"], 12'182'615'680);
  EXPECT_EQ(info["weights"]["tensor_bytes"], 215'421'877'760);
  EXPECT_EQ(info["weights"]["tensors"], 18106);
}

TEST_F(SparseSnapshot, OneLayerRunsInOneLayersMemory) {
  const Model model = Model::open(dir_.string());
  const int64_t layer = 7;
  int64_t layer_bytes = 0;
  Weights nothing;
  for_each_weight(model.config, nothing, [&](const WeightInfo& info, Weight&) {
    if (info.layer != layer || info.component == Component::vision) return;
    int64_t n = 2;
    for (const int64_t d : info.shape) n *= d;
    layer_bytes += n;
  });
  const int64_t before = resident_bytes();
  Arena arena(cpu_backend());
  const Context ctx{cpu_backend(), arena, {}};
  KvCache cache(cpu_backend(), model.config.text, DType::f32, 1, 4);
  CachedSequence sequence;
  Batch batch;
  batch.add(sequence, cache, {1, 2}, {{0, 0, 0}, {1, 1, 1}});
  Step step = upload(ctx, batch);
  text_rope_table(ctx, model.config.text, DType::f32, step);
  const TensorView x = arena.make(DType::f32, {2, model.config.text.hidden_size});
  for (int64_t i = 0; i < x.size(); ++i) static_cast<float*>(x.data)[i] = 1;
  decoder_layer(ctx, {model.config, model.weights.layers[layer], layer, cache.k(layer), cache.v(layer)}, batch, step,
                x);
  const int64_t grown = resident_bytes() - before;
  EXPECT_LE(grown, layer_bytes);
  EXPECT_GT(grown, 0);
  // Weights are zero, so the residual stream passes unchanged.
  for (int64_t i = 0; i < x.size(); ++i) ASSERT_EQ(static_cast<float*>(x.data)[i], 1);
  std::cout << "one layer of " << layer_bytes << " bytes: resident memory grew by " << grown
            << " of the checkpoint's 215,421,877,760\n";
}

}  // namespace
}  // namespace glmv
