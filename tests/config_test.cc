// config.json: what the published files say, what is refused and with which exit code.
#include "data/config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "reference/core/error.h"

namespace {

namespace fs = std::filesystem;
using glmv::ExitCode;
using glmv::Family;
using glmv::ModelConfig;
using nlohmann::json;

const fs::path kSource = GLMV_SOURCE_DIR;
const fs::path kPublished = kSource / ".." / "shared" / "data" / "published_configs";

/// GLM-4.5V's config.json, in the old rotary layout.
json moe() {
  return json::parse(R"({
    "architectures": ["Glm4vMoeForConditionalGeneration"], "model_type": "glm4v_moe",
    "image_start_token_id": 151339, "image_end_token_id": 151340,
    "video_start_token_id": 151341, "video_end_token_id": 151342,
    "image_token_id": 151363, "video_token_id": 151364, "tie_word_embeddings": false,
    "text_config": {
      "model_type": "glm4v_moe_text", "pad_token_id": 151329, "vocab_size": 151552,
      "eos_token_id": [151329, 151336, 151338], "head_dim": 128, "attention_bias": true, "attention_dropout": 0.0,
      "first_k_dense_replace": 1, "hidden_act": "silu", "hidden_size": 4096, "intermediate_size": 10944,
      "max_position_embeddings": 65536, "moe_intermediate_size": 1408, "n_group": 1, "n_routed_experts": 128,
      "n_shared_experts": 1, "norm_topk_prob": true, "num_attention_heads": 96, "num_experts_per_tok": 8,
      "num_hidden_layers": 46, "num_key_value_heads": 8, "partial_rotary_factor": 0.5, "rms_norm_eps": 1e-05,
      "dtype": "bfloat16", "rope_scaling": {"rope_type": "default", "mrope_section": [8, 12, 12]},
      "rope_theta": 10000.0, "routed_scaling_factor": 1.0, "topk_group": 1, "use_qk_norm": false
    },
    "vision_config": {
      "model_type": "glm4v_moe", "attention_bias": false, "depth": 24, "hidden_act": "silu", "hidden_size": 1536,
      "image_size": 336, "in_channels": 3, "intermediate_size": 10944, "num_heads": 12, "out_hidden_size": 4096,
      "patch_size": 14, "rms_norm_eps": 1e-05, "spatial_merge_size": 2, "temporal_patch_size": 2
    }
  })");
}

/// GLM-4.6V-Flash's, in the new layout.
json dense() {
  json j = moe();
  j["architectures"] = {"Glm4vForConditionalGeneration"};
  j["model_type"] = "glm4v";
  json& t = j["text_config"];
  for (const char* key : {"head_dim", "first_k_dense_replace", "moe_intermediate_size", "n_group", "n_routed_experts",
                          "n_shared_experts", "norm_topk_prob", "num_experts_per_tok", "routed_scaling_factor",
                          "topk_group", "rope_scaling", "rope_theta", "partial_rotary_factor", "use_qk_norm"}) {
    t.erase(key);
  }
  t["model_type"] = "glm4v_text";
  t["num_attention_heads"] = 32;
  t["num_key_value_heads"] = 2;
  t["intermediate_size"] = 13696;
  t["rope_parameters"] = {
      {"rope_type", "default"}, {"rope_theta", 500000}, {"partial_rotary_factor", 0.5}, {"mrope_section", {8, 12, 12}}};
  return j;
}

ModelConfig parse(const json& j) { return glmv::parse_config(j.dump(), "dir/config.json"); }

/// Expects an error with this exit code whose message has the file and all of these words.
void expect_text_refused(const std::string& text, ExitCode code, std::initializer_list<const char*> words) {
  try {
    glmv::parse_config(text, "dir/config.json");
    ADD_FAILURE() << "accepted: " << text.substr(0, 4000);
  } catch (const glmv::Error& e) {
    const std::string message = e.what();
    EXPECT_EQ(e.code(), code) << message;
    EXPECT_NE(message.find("dir/config.json"), std::string::npos) << message;
    for (const char* word : words)
      EXPECT_NE(message.find(word), std::string::npos) << "no \"" << word << "\" in: " << message;
  }
}

void expect_refused(const json& j, ExitCode code, std::initializer_list<const char*> words) {
  expect_text_refused(j.dump(), code, words);
}

/// The file with one value changed; `pointer` is a JSON pointer.
json with(json j, const char* pointer, const json& value) {
  j[json::json_pointer(pointer)] = value;
  return j;
}
json without(json j, const std::string& pointer) {
  const json::json_pointer p(pointer);
  j[p.parent_pointer()].erase(p.back());
  return j;
}

// ---- what is read ----

TEST(Config, MoeInTheOldLayout) {
  const ModelConfig c = parse(moe());
  EXPECT_EQ(c.family, Family::moe);
  EXPECT_EQ(c.architecture, "Glm4vMoeForConditionalGeneration");
  EXPECT_EQ(c.model_type, "glm4v_moe");
  EXPECT_EQ(c.dtype, "bfloat16");
  EXPECT_EQ(c.rope_layout, "rope_scaling");
  const glmv::TextConfig& t = c.text;
  EXPECT_EQ(t.vocab_size, 151552);
  EXPECT_EQ(t.hidden_size, 4096);
  EXPECT_EQ(t.num_layers, 46);
  EXPECT_EQ(t.num_heads, 96);
  EXPECT_EQ(t.num_kv_heads, 8);
  EXPECT_EQ(t.head_dim, 128);
  EXPECT_EQ(t.intermediate_size, 10944);
  EXPECT_EQ(t.rms_norm_eps, 1e-5f);
  EXPECT_EQ(t.max_position_embeddings, 65536);
  EXPECT_FALSE(t.tie_word_embeddings);
  EXPECT_EQ(t.rope_theta, 10000.0);
  EXPECT_EQ(t.rotary_dim, 64);
  EXPECT_EQ(t.mrope_section, (std::vector<int64_t>{8, 12, 12}));
  EXPECT_EQ(t.num_experts, 128);
  EXPECT_EQ(t.num_experts_per_tok, 8);
  EXPECT_EQ(t.num_shared_experts, 1);
  EXPECT_EQ(t.moe_intermediate_size, 1408);
  EXPECT_FALSE(t.is_moe_layer(0));
  EXPECT_TRUE(t.is_moe_layer(1));
  EXPECT_EQ(c.image_token_id, 151363);
  EXPECT_EQ(c.video_end_token_id, 151342);
  EXPECT_EQ(c.eos_token_ids, (std::vector<int64_t>{151329, 151336, 151338}));
  EXPECT_EQ(c.pad_token_id, 151329);
  EXPECT_EQ(c.vision.table_side(), 24);
  EXPECT_EQ(c.vision.patch_numbers(), 1176);
  EXPECT_EQ(c.vision.head_dim(), 128);
  EXPECT_EQ(c.quantization.method, "");
}

TEST(Config, DenseInTheNewLayout) {
  const ModelConfig c = parse(dense());
  EXPECT_EQ(c.family, Family::dense);
  EXPECT_EQ(c.rope_layout, "rope_parameters");
  EXPECT_EQ(c.text.head_dim, 128);
  EXPECT_EQ(c.text.rope_theta, 500000.0);
  EXPECT_EQ(c.text.rotary_dim, 64);
  EXPECT_EQ(c.text.num_experts, 0);
  EXPECT_FALSE(c.text.is_moe_layer(5));
}

TEST(Config, SpellingsFoundInTheWild) {
  EXPECT_NO_THROW(parse(with(moe(), "/text_config/model_type", "Glm4vMoe_text")));
  EXPECT_NO_THROW(parse(without(moe(), "/text_config/model_type")));
  EXPECT_NO_THROW(parse(with(moe(), "/vision_config/model_type", "anything")));
  EXPECT_NO_THROW(parse(with(moe(), "/text_config/rope_scaling/type", "default")));
  EXPECT_NO_THROW(parse(with(moe(), "/text_config/image_token_id", 151363)));
  EXPECT_NO_THROW(parse(with(moe(), "/text_config/rope_parameters", nullptr)));
  EXPECT_NO_THROW(parse(with(moe(), "/text_config/rope_parameters", json::object())));
  json renamed = with(without(moe(), "/text_config/dtype"), "/text_config/torch_dtype", "bfloat16");
  EXPECT_EQ(parse(renamed).dtype, "bfloat16");
  EXPECT_EQ(parse(with(without(moe(), "/text_config/dtype"), "/torch_dtype", "float32")).dtype, "float32");
  EXPECT_EQ(parse(without(moe(), "/text_config/dtype")).dtype, "");
  // Token ids inside text_config only, and one eos id instead of a list.
  json inside = with(without(moe(), "/image_token_id"), "/text_config/image_token_id", 7);
  EXPECT_EQ(parse(inside).image_token_id, 7);
  EXPECT_EQ(parse(with(moe(), "/text_config/eos_token_id", 5)).eos_token_ids, (std::vector<int64_t>{5}));
  // `type` alone instead of rope_type.
  json old = without(with(moe(), "/text_config/rope_scaling/type", "default"), "/text_config/rope_scaling/rope_type");
  EXPECT_EQ(parse(old).text.rotary_dim, 64);
}

TEST(Config, TextFieldsRepeatedAtTheTopAreIgnored) {
  json j = moe();
  const json text = j["text_config"];
  for (const auto& [key, value] : text.items()) {
    if (key != "model_type") j[key] = value;
  }
  EXPECT_EQ(parse(j).text.hidden_size, 4096);
  EXPECT_EQ(parse(with(j, "/hidden_size", 1)).text.hidden_size, 4096);
  EXPECT_EQ(parse(with(j, "/rope_theta", 7)).text.rope_theta, 10000.0);
}

TEST(Config, VisionRopeDictionaryOfTransformers5) {
  const json j = with(moe(), "/vision_config/rope_parameters", {{"rope_type", "axial"}, {"rope_theta", 100.0}});
  EXPECT_EQ(parse(j).vision.rope_theta, 100.0);
  EXPECT_EQ(parse(moe()).vision.rope_theta, 10000.0);
}

// ---- rotary lookup ----

TEST(Config, RopeValuesAreLookedUpInOrder) {
  json j = with(moe(), "/text_config/rope_scaling/rope_theta", 3.0);
  EXPECT_EQ(parse(j).text.rope_theta, 3.0) << "inside the dictionary before a sibling";
  j = without(moe(), "/text_config/rope_theta");
  EXPECT_EQ(parse(j).text.rope_theta, 10000.0) << "default";
  EXPECT_EQ(parse(with(j, "/rope_theta", 4.0)).text.rope_theta, 4.0) << "top level last";
  EXPECT_EQ(parse(with(j, "/rope_scaling", {{"rope_theta", 6.0}})).text.rope_theta, 6.0) << "a dictionary at the top";
  EXPECT_EQ(parse(without(moe(), "/text_config/partial_rotary_factor")).text.rotary_dim, 64) << "default 0.5";
  EXPECT_EQ(parse(without(moe(), "/text_config/rope_scaling")).text.mrope_section[0], 8) << "default sections";
}

TEST(Config, BothRopeDictionariesMustAgree) {
  const json same = {{"rope_type", "default"}, {"mrope_section", {8, 12, 12}}};
  EXPECT_NO_THROW(parse(with(moe(), "/text_config/rope_parameters", same)));
  json other = same;
  other["mrope_section"] = {12, 8, 12};
  expect_refused(with(moe(), "/text_config/rope_parameters", other), ExitCode::usage, {"mrope_section", "contradicts"});
  json more = same;
  more["rope_theta"] = 500000;
  expect_refused(with(moe(), "/text_config/rope_parameters", more), ExitCode::usage, {"rope_theta", "rope_scaling"});
}

TEST(Config, OtherRotaryTypesAreRefused) {
  expect_refused(with(moe(), "/text_config/rope_scaling/rope_type", "yarn"), ExitCode::usage, {"rope_type", "yarn"});
  expect_refused(with(moe(), "/text_config/rope_scaling/type", "linear"), ExitCode::usage, {"type", "linear"});
  expect_refused(with(dense(), "/text_config/rope_parameters/rope_type", "axial"), ExitCode::usage, {"axial"});
  json vision = with(moe(), "/vision_config/rope_parameters", {{"rope_type", "yarn"}});
  expect_refused(vision, ExitCode::usage, {"vision_config", "yarn"});
  expect_refused(with(moe(), "/text_config/rope_scaling", 3), ExitCode::bad_input, {"rope_scaling"});
}

TEST(Config, SectionsMustFillTheRotaryDimension) {
  for (const json& sections : {json{8, 12, 11}, json{16, 24, 24}, json{0, 0, 0}}) {
    expect_refused(with(moe(), "/text_config/rope_scaling/mrope_section", sections), ExitCode::usage,
                   {"mrope_section"});
  }
  for (const json& sections : {json{16, 16}, json{8, 8, 8, 8}, json{8, 12, 12.0}, json{-8, 20, 20}, json("x")}) {
    expect_refused(with(moe(), "/text_config/rope_scaling/mrope_section", sections), ExitCode::bad_input,
                   {"mrope_section"});
  }
  expect_refused(with(moe(), "/text_config/partial_rotary_factor", 0.3), ExitCode::usage, {"partial_rotary_factor"});
  expect_refused(with(moe(), "/text_config/partial_rotary_factor", 1.5), ExitCode::bad_input, {"1.5"});
}

// ---- which model ----

TEST(Config, OtherModelsAreNamed) {
  expect_refused({{"model_type", "chatglm"}}, ExitCode::usage, {"chatglm", "legacy GLM-4V-9B, not supported"});
  expect_refused({{"model_type", "glm4_moe"}, {"hidden_size", 4096}}, ExitCode::usage,
                 {"config has no text_config: is this a text-only GLM-4.5?"});
  expect_refused(without(moe(), "/text_config"), ExitCode::usage, {"no text_config"});
  expect_refused(with(moe(), "/model_type", "qwen2_vl"), ExitCode::usage, {"qwen2_vl", "glm4v_moe"});
  expect_refused(without(moe(), "/model_type"), ExitCode::bad_input, {"model_type"});
  expect_refused(with(moe(), "/text_config/model_type", "glm4v_text"), ExitCode::usage, {"glm4v_text"});
  expect_refused(with(moe(), "/architectures/0", "Glm4vForConditionalGeneration"), ExitCode::usage, {"architectures"});
  expect_refused(without(moe(), "/vision_config"), ExitCode::bad_input, {"vision_config"});
  expect_refused(with(moe(), "/vision_config", json::array()), ExitCode::bad_input, {"vision_config", "object"});
}

TEST(Config, ChoicesWeDoNotComputeAreRefused) {
  expect_refused(with(moe(), "/text_config/attention_bias", false), ExitCode::usage, {"attention_bias", "false"});
  expect_refused(without(moe(), "/text_config/attention_bias"), ExitCode::usage, {"attention_bias", "absent"});
  expect_refused(with(moe(), "/text_config/use_qk_norm", true), ExitCode::usage, {"use_qk_norm"});
  expect_refused(with(moe(), "/text_config/scoring_func", "softmax"), ExitCode::usage, {"scoring_func", "sigmoid"});
  expect_refused(with(moe(), "/text_config/qk_layernorm", true), ExitCode::usage, {"qk_layernorm"});
  expect_refused(with(moe(), "/text_config/hidden_act", "gelu"), ExitCode::usage, {"hidden_act", "gelu"});
  expect_refused(with(moe(), "/vision_config/hidden_act", "gelu"), ExitCode::usage, {"vision_config: hidden_act"});
  expect_refused(with(moe(), "/vision_config/attention_bias", true), ExitCode::usage,
                 {"vision_config: attention_bias"});
  expect_refused(with(moe(), "/vision_config/in_channels", 4), ExitCode::usage, {"in_channels"});
  expect_refused(with(moe(), "/text_config/use_qk_norm", "no"), ExitCode::bad_input, {"use_qk_norm", "true or false"});
}

// ---- numbers ----

const char* const kMoeSizes[] = {"/text_config/vocab_size",
                                 "/text_config/hidden_size",
                                 "/text_config/num_hidden_layers",
                                 "/text_config/num_attention_heads",
                                 "/text_config/num_key_value_heads",
                                 "/text_config/head_dim",
                                 "/text_config/intermediate_size",
                                 "/text_config/max_position_embeddings",
                                 "/text_config/n_routed_experts",
                                 "/text_config/num_experts_per_tok",
                                 "/text_config/n_shared_experts",
                                 "/text_config/moe_intermediate_size",
                                 "/vision_config/depth",
                                 "/vision_config/hidden_size",
                                 "/vision_config/num_heads",
                                 "/vision_config/out_hidden_size",
                                 "/vision_config/intermediate_size",
                                 "/vision_config/image_size",
                                 "/vision_config/patch_size",
                                 "/vision_config/temporal_patch_size",
                                 "/vision_config/spatial_merge_size"};

TEST(Config, EverySizeIsRequiredAndPositive) {
  for (const char* pointer : kMoeSizes) {
    const std::string key = json::json_pointer(pointer).back();
    expect_refused(without(moe(), pointer), ExitCode::bad_input, {key.c_str(), "missing"});
    expect_refused(with(moe(), pointer, nullptr), ExitCode::bad_input, {key.c_str(), "missing"});
    for (const json& value : {json(0), json(-1), json(128.0), json("128"), json(true), json{128},
                              json(int64_t{1} << 31), json(UINT64_MAX), json(INT64_MIN), json(1e300)}) {
      expect_refused(with(moe(), pointer, value), ExitCode::bad_input, {key.c_str()});
    }
  }
}

TEST(Config, FieldsWithoutASafeDefaultAreRequired) {
  for (const char* pointer :
       {"/text_config/first_k_dense_replace", "/image_token_id", "/video_token_id", "/tie_word_embeddings"}) {
    expect_refused(without(moe(), pointer), ExitCode::bad_input,
                   {json::json_pointer(pointer).back().c_str(), "missing"});
  }
  expect_refused(without(moe(), "/text_config/head_dim"), ExitCode::bad_input, {"head_dim", "4096 / 96"});
}

TEST(Config, FieldsWhoseDefaultIsThePublishedValueAreNot) {
  json j = moe();
  for (const char* key : {"rms_norm_eps", "n_group", "topk_group", "norm_topk_prob", "routed_scaling_factor",
                          "hidden_act", "use_qk_norm", "pad_token_id", "eos_token_id"}) {
    j["text_config"].erase(key);
  }
  j["vision_config"].erase("in_channels");
  j["vision_config"].erase("attention_bias");
  const ModelConfig c = parse(j);
  EXPECT_EQ(c.text.rms_norm_eps, 1e-5f);
  EXPECT_EQ(c.text.n_group, 1);
  EXPECT_TRUE(c.text.norm_topk_prob);
  EXPECT_EQ(c.vision.in_channels, 3);
  EXPECT_TRUE(c.eos_token_ids.empty());
  EXPECT_EQ(c.pad_token_id, -1);
}

TEST(Config, NumbersMustFitTogether) {
  const auto refuse = [](const char* pointer, int64_t value, std::initializer_list<const char*> words) {
    expect_refused(with(moe(), pointer, value), ExitCode::usage, words);
  };
  refuse("/text_config/num_key_value_heads", 7, {"num_key_value_heads 7", "num_attention_heads 96"});
  refuse("/text_config/n_group", 3, {"n_group 3", "n_routed_experts 128"});
  refuse("/text_config/n_group", 128, {"group of 1 expert"});
  refuse("/text_config/topk_group", 2, {"topk_group 2", "n_group 1"});
  refuse("/text_config/num_experts_per_tok", 129, {"num_experts_per_tok 129"});
  refuse("/text_config/first_k_dense_replace", 47, {"first_k_dense_replace 47"});
  refuse("/vision_config/patch_size", 15, {"patch_size 15", "image_size 336"});
  refuse("/vision_config/num_heads", 7, {"num_heads 7"});
  refuse("/vision_config/num_heads", 256, {"head dimension 6"});
  refuse("/vision_config/out_hidden_size", 2048, {"out_hidden_size", "2048", "4096"});
  json groups = with(with(moe(), "/text_config/n_group", 32), "/text_config/num_experts_per_tok", 5);
  expect_refused(groups, ExitCode::usage, {"num_experts_per_tok 5", "4 experts"});
  EXPECT_NO_THROW(parse(with(groups, "/text_config/topk_group", 2)));
  expect_refused(with(dense(), "/text_config/num_attention_heads", 48), ExitCode::usage, {"num_attention_heads 48"});
  expect_refused(with(dense(), "/text_config/head_dim", 64), ExitCode::usage, {"head_dim", "64", "128"});
  EXPECT_NO_THROW(parse(with(dense(), "/text_config/head_dim", 128)));
}

TEST(Config, ProductsOfSizesAreBounded) {
  constexpr int64_t kHuge = (int64_t{1} << 31) - 1;
  json j = with(moe(), "/text_config/moe_intermediate_size", kHuge);
  j["text_config"]["intermediate_size"] = kHuge;
  expect_refused(j, ExitCode::usage, {"orders of magnitude"});
  expect_refused(with(moe(), "/vision_config/temporal_patch_size", kHuge), ExitCode::usage, {"orders of magnitude"});
  expect_refused(with(moe(), "/vision_config/spatial_merge_size", kHuge), ExitCode::usage, {"orders of magnitude"});
}

TEST(Config, RealNumbers) {
  for (const char* pointer :
       {"/text_config/rms_norm_eps", "/text_config/routed_scaling_factor", "/text_config/rope_theta",
        "/text_config/partial_rotary_factor", "/vision_config/rms_norm_eps"}) {
    const std::string key = json::json_pointer(pointer).back();
    for (const json& value : {json(0), json(-1.5), json("1"), json(false)}) {
      expect_refused(with(moe(), pointer, value), ExitCode::bad_input, {key.c_str()});
    }
  }
  expect_refused(with(moe(), "/text_config/rms_norm_eps", 1e-300), ExitCode::bad_input, {"rms_norm_eps"});
  EXPECT_EQ(parse(with(moe(), "/text_config/routed_scaling_factor", 1.7)).text.routed_scaling_factor, 1.7f);
}

TEST(Config, TokenIds) {
  expect_refused(with(moe(), "/image_token_id", 151552), ExitCode::usage, {"image_token_id", "151552"});
  expect_refused(with(moe(), "/image_token_id", -1), ExitCode::bad_input, {"image_token_id"});
  expect_refused(with(moe(), "/video_token_id", 151363), ExitCode::usage, {"image_token_id", "video_token_id"});
  expect_refused(with(moe(), "/text_config/image_token_id", 7), ExitCode::usage, {"image_token_id", "151363", "7"});
  expect_refused(with(moe(), "/text_config/tie_word_embeddings", true), ExitCode::usage, {"tie_word_embeddings"});
  expect_refused(with(moe(), "/text_config/eos_token_id", {1, 151552}), ExitCode::usage, {"eos_token_id"});
  expect_refused(with(moe(), "/text_config/eos_token_id", {1, "x"}), ExitCode::bad_input, {"eos_token_id"});
  expect_refused(with(moe(), "/text_config/eos_token_id", json::array()), ExitCode::bad_input,
                 {"eos_token_id", "at least one"});
}

TEST(Config, Quantization) {
  const json q = {{"quant_method", "compressed-tensors"}, {"format", "float-quantized"}, {"ignore", {"a", "b"}}};
  const ModelConfig c = parse(with(moe(), "/quantization_config", q));
  EXPECT_EQ(c.quantization.method, "compressed-tensors");
  EXPECT_EQ(c.quantization.format, "float-quantized");
  EXPECT_EQ(c.quantization.ignored, 2);
  expect_refused(with(moe(), "/quantization_config", {{"bits", 4}}), ExitCode::bad_input, {"quant_method"});
}

// ---- the file itself ----

TEST(Config, MalformedText) {
  for (const char* text : {"", "{", "[]", "3", "{} x", "{\"a\": \"\xff\"}", "{\"a\": 1e999}"}) {
    expect_text_refused(text, ExitCode::bad_input, {});
  }
  expect_text_refused(R"({"model_type": "glm4v", "model_type": "glm4v_moe"})", ExitCode::bad_input,
                      {"model_type", "twice"});
  expect_text_refused(R"({"a": [{"b": 1}, {"b": 2, "c": {"b": 3}, "b": 4}]})", ExitCode::bad_input,
                      {"b appears twice"});
  expect_text_refused(R"({"a": [{"b": 1}, {"b": 2, "c": {"b": 3}}]})", ExitCode::bad_input, {"model_type"});
  expect_text_refused(moe().dump() + std::string("\0 hidden", 8), ExitCode::bad_input, {"zero byte"});
  expect_text_refused(std::string(1000000, '['), ExitCode::bad_input, {"nested"});
  std::string objects;
  for (int i = 0; i < 100000; ++i) objects += "{\"a\":";
  expect_text_refused(objects, ExitCode::bad_input, {"nested"});
}

class ConfigFolder : public ::testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() /
           ("glmv_config_test_" + std::to_string(::testing::UnitTest::GetInstance()->random_seed()) + "_" +
            std::to_string(reinterpret_cast<uintptr_t>(this)));
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  void put(const char* name, const json& content) { std::ofstream(dir_ / name) << content; }
  ModelConfig read() { return glmv::read_config(dir_.string()); }
  fs::path dir_;
};

TEST_F(ConfigFolder, GenerationConfigSettlesTheStopTokens) {
  put("config.json", without(moe(), "/text_config/pad_token_id"));
  EXPECT_EQ(read().eos_token_ids.size(), 3u);
  put("generation_config.json", {{"eos_token_id", {1, 2}}, {"pad_token_id", 3}});
  EXPECT_EQ(read().eos_token_ids, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(read().pad_token_id, 3);
  EXPECT_EQ(read().path, (dir_ / "config.json").string());
  put("generation_config.json", {{"eos_token_id", nullptr}});
  EXPECT_EQ(read().eos_token_ids.size(), 3u);
  EXPECT_EQ(glmv::read_config((dir_ / "config.json").string()).eos_token_ids.size(), 3u);
  put("generation_config.json", {{"eos_token_id", 200000}});
  EXPECT_THROW(read(), glmv::Error);
  put("generation_config.json", json::array());
  EXPECT_THROW(read(), glmv::Error);
  put("generation_config.json", {{"pad_token_id", json::array()}});
  EXPECT_THROW(read(), glmv::Error);
}

TEST_F(ConfigFolder, MissingFile) {
  try {
    read();
    FAIL();
  } catch (const glmv::Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_input);
    EXPECT_NE(std::string(e.what()).find((dir_ / "config.json").string()), std::string::npos) << e.what();
  }
}

// ---- files that exist ----

TEST(Config, EverySnapshotInTheRepositoryIsRead) {
  int read = 0;
  for (const char* root : {"data/tiny", "tests/golden"}) {
    if (!fs::is_directory(kSource / root)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(kSource / root)) {
      if (entry.path().filename() != "config.json") continue;
      const ModelConfig c = glmv::read_config(entry.path().parent_path().string());
      EXPECT_EQ(c.text.rotary_dim % 2, 0) << entry.path();
      ++read;
    }
  }
  EXPECT_GT(read, 0);
}

struct Published {
  const char* file;
  Family family;
  const char* layout;
  double theta;
  int64_t max_positions, image_token, merger_width;
  const char* quantization;
};

const Published kPublishedFiles[] = {
    {"GLM-4.5V", Family::moe, "rope_scaling", 10000, 65536, 151363, 10944, ""},
    {"GLM-4.5V-FP8", Family::moe, "rope_scaling", 10000, 65536, 151363, 10944, "compressed-tensors"},
    {"GLM-4.6V", Family::moe, "rope_parameters", 500000, 131072, 151363, 10944, ""},
    {"GLM-4.6V-FP8", Family::moe, "rope_parameters", 500000, 131072, 151363, 10944, "compressed-tensors"},
    {"GLM-4.1V-9B-Thinking", Family::dense, "rope_scaling", 10000, 65536, 151343, 13696, ""},
    {"GLM-4.6V-Flash", Family::dense, "rope_parameters", 500000, 131072, 151363, 13696, ""},
};

void expect_published(const Published& p, const ModelConfig& c) {
  EXPECT_EQ(c.family, p.family);
  EXPECT_EQ(c.rope_layout, p.layout);
  EXPECT_EQ(c.text.rope_theta, p.theta);
  EXPECT_EQ(c.text.max_position_embeddings, p.max_positions);
  EXPECT_EQ(c.image_token_id, p.image_token);
  EXPECT_EQ(c.vision.intermediate_size, p.merger_width);
  EXPECT_EQ(c.quantization.method, p.quantization);
  EXPECT_EQ(c.quantization.ignored, *p.quantization ? 527 : 0);
  EXPECT_EQ(c.text.head_dim, 128);
  EXPECT_EQ(c.text.rotary_dim, 64);
  EXPECT_EQ(c.text.vocab_size, 151552);
  EXPECT_EQ(c.vision.in_channels, 3);
  EXPECT_EQ(c.dtype, "bfloat16");
  EXPECT_EQ(c.eos_token_ids.size(), std::string(p.file) == "GLM-4.1V-9B-Thinking" ? 4u : 3u);
}

TEST(Config, EveryPublishedFileIsRead) {
  if (!fs::is_directory(kPublished)) GTEST_SKIP() << "the published configurations are not beside the repository";
  for (const Published& p : kPublishedFiles) {
    SCOPED_TRACE(p.file);
    expect_published(p, glmv::read_config((kPublished / (std::string(p.file) + ".config.json")).string()));
  }
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(kPublished)) {
    const std::string name = entry.path().filename().string();
    files += name.size() > 12 && name.substr(name.size() - 12) == ".config.json";
  }
  EXPECT_EQ(files, std::size(kPublishedFiles) + 1) << "a file that this test does not know";
  try {
    glmv::read_config((kPublished / "glm-4v-9b.config.json").string());
    FAIL();
  } catch (const glmv::Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage);
    EXPECT_NE(std::string(e.what()).find("legacy GLM-4V-9B, not supported"), std::string::npos) << e.what();
  }
}

}  // namespace
