// What other engines really computed for a prompt of the twin (tests/crosscheck_peers/README.md): the verdicts on them.
#include <gtest/gtest.h>

#include <algorithm>

#include "crosscheck/crosscheck.h"

namespace glmv {
namespace {

const std::string kTwin = GLMV_SOURCE_DIR "/data/tiny/glm45v", kMoe = GLMV_SOURCE_DIR "/tests/golden/moe_a";
const std::string kPeers = GLMV_SOURCE_DIR "/tests/crosscheck_peers/";

const Model& model_of(const std::string& folder) {
  static std::map<std::string, Model> models;
  const auto found = models.find(folder);
  return found != models.end() ? found->second : models.emplace(folder, Model::open(folder)).first->second;
}

/// A dump, completed with inputs from another file.
CrosscheckReport check(const std::string& folder, const std::string& dump, const std::string& map,
                       const std::string& inputs, bool explain = false) {
  const Model& model = model_of(folder);
  const NameRules names(map.empty() ? std::vector<std::string>{} : std::vector<std::string>{map}, "");
  Theirs theirs = theirs_from(read_foreign(kPeers + dump), names, &model.config);
  if (!inputs.empty()) add_inputs(theirs, theirs_from(read_foreign(inputs), {}, &model.config));
  CrosscheckOptions options;
  options.explain = explain;
  options.dtype = dtype_of_trace(theirs);
  return crosscheck(model, theirs, options);
}
CrosscheckReport twin(const std::string& dump, const std::string& map, bool explain = false) {
  return check(kTwin, dump, map, kPeers + "inputs.npz", explain);
}

std::string first(const CrosscheckReport& r) {
  return r.first < 0 ? "none" : r.points[static_cast<size_t>(r.first)].name;
}

TEST(Peers, VllmAgreesThroughout) {
  const CrosscheckReport r = twin("vllm.safetensors", "");
  EXPECT_EQ(first(r), "none");
  EXPECT_EQ(r.verdict(), ExitCode::ok);
  EXPECT_EQ(r.computed(), 16);
  EXPECT_TRUE(r.unknown.empty()) << r.unknown[0];
}

TEST(Peers, MlxDepartsAtThePositionTable) {
  const CrosscheckReport r = twin("mlx.npz", "mlx", true);
  EXPECT_EQ(first(r), "model.visual.embeddings");
  const auto& causes = r.explained_by;
  EXPECT_NE(std::find(causes.begin(), causes.end(), "posembed=bilinear_zeros"), causes.end());
}

TEST(Peers, MlxDepartsAtTheBlockNormsBeneathIt) {
  EXPECT_EQ(first(twin("mlx_true_table.npz", "mlx")), "model.visual.blocks.0.norm1");
}

TEST(Peers, LlamaCppDepartsAtThePatchEmbedding) {
  const CrosscheckReport r = twin("llamacpp.safetensors", "");
  EXPECT_EQ(first(r), "model.visual.patch_embed");
  EXPECT_TRUE(r.unknown.empty()) << r.unknown[0];
}

TEST(Peers, DumpersOfTheLibraryAreNoise) {
  const CrosscheckReport debugger = check(kMoe, "hf_debugger", "transformers", "");
  EXPECT_EQ(first(debugger), "none");
  EXPECT_EQ(debugger.computed(), 14);
  const std::string inputs = kMoe + "/traces/one_image.safetensors";
  const CrosscheckReport dumper = check(kMoe, "sglang_dumper", "sglang", inputs);
  EXPECT_EQ(first(dumper), "none");
  EXPECT_EQ(dumper.computed(), 3);
  const CrosscheckReport hooks = check(kMoe, "sglang_hooks", "sglang", inputs);
  EXPECT_EQ(first(hooks), "none");
  EXPECT_EQ(hooks.computed(), 15);
}

}  // namespace
}  // namespace glmv
