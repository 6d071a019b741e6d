// One layer of each kind at GLM-4.5V's real width against the Hugging Face modules, with procedural weights.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "data/safetensors.h"
#include "reference/core/compare.h"
#include "reference/model/positions.h"
#include "reference/model/procedural_weights.h"
#include "reference/model/text.h"
#include "reference/model/vision.h"

namespace glmv {
namespace {

using Points = std::map<std::string, Tensor>;

ModelConfig real_config() {
  ModelConfig c;
  c.family = Family::moe;
  c.text.vocab_size = 8;  // neither the embedding nor the head takes part
  c.text.hidden_size = 4096;
  c.text.num_layers = 2;
  c.text.num_heads = 96;
  c.text.num_kv_heads = 8;
  c.text.head_dim = 128;
  c.text.intermediate_size = 10944;
  c.text.rotary_dim = 64;
  c.text.mrope_section = {8, 12, 12};
  c.text.num_experts = 128;
  c.text.num_experts_per_tok = 8;
  c.text.num_shared_experts = 1;
  c.text.moe_intermediate_size = 1408;
  c.text.first_dense_layers = 1;
  c.vision.depth = 1;
  c.vision.hidden_size = 1536;
  c.vision.num_heads = 12;
  c.vision.out_hidden_size = 4096;
  c.vision.intermediate_size = 10944;
  c.vision.image_size = 336;
  c.vision.patch_size = 14;
  c.vision.temporal_patch_size = 2;
  c.vision.spatial_merge_size = 2;
  return c;
}

SafetensorsFile golden(const std::string& name) {
  return SafetensorsFile::open(GLMV_SOURCE_DIR "/tests/golden/real/" + name + ".safetensors");
}

/// The tensor called "input": rounded to bf16 in every mode.
TensorView input(Arena& arena, DType activation, int64_t rows, int64_t width) {
  const TensorView x = arena.make(activation, {rows, width});
  fill_procedural_bf16("input", {1.7, 0}, x);
  return x;
}

/// Rows or heads that a golden kept, along one axis.
Tensor kept(const Tensor& t, int axis, const ConstTensorView& indices) {
  const auto index = as<int64_t, 1>(indices);
  ConstTensorView extents = t.view;
  extents.dim[axis] = index.dim[0];
  Tensor out(t.view.dtype, extents);
  for (int64_t i = 0; i < index.dim[0]; ++i) {
    convert(slice(t.view, axis, index(i), index(i) + 1), slice(out.view, axis, i, i + 1));
  }
  return out;
}

/// Runs one layer in one mode and returns its points.
using Layer = std::function<void(const Context&, DType activation)>;
Points run(const Layer& layer, DType activation, Reduction reduction) {
  Arena arena(cpu_backend());
  Points points;
  Probe probe{
      [](std::string_view) { return true; },
      [&](std::string_view name, const ConstTensorView& v) { points[std::string(name)] = to_host(cpu_backend(), v); }};
  layer({cpu_backend(), arena, Exec{{}, {}, reduction}, &probe}, activation);
  return points;
}

/// Cuts our points down to what the golden holds of them.
using Cut = std::function<Tensor(const std::string& name, const Tensor&)>;

void expect_within(const std::string& name, const Layer& layer, const Cut& cut) {
  const Points gold = run(layer, DType::f64, Reduction::blocked);
  for (const char* mode : {"", ".bf16"}) {
    const SafetensorsFile theirs = golden(name + mode);
    const DType activation = *mode ? DType::bf16 : DType::f32;
    std::vector<Points> ours;
    for (const Reduction r : legal_reductions(kShortRow)) {
      ours.push_back(run(layer, activation, r));
    }
    int64_t compared = 0;
    for (const auto& [point, value] : theirs.tensors()) {
      if (gold.count(point) == 0 || point.ends_with("topk_ids")) continue;
      Noise noise;
      noise.rounded_to = value.dtype;
      for (const Points& p : ours) noise.legal.push_back(cut(point, p.at(point)));
      if (theirs.has("floor/" + point)) noise.row_floor = theirs.get("floor/" + point);
      const Comparison c = compare(cut(point, gold.at(point)).view, value, noise);
      EXPECT_TRUE(c.within()) << name << mode << ' ' << point << ": " << c.bad << " bad, worst "
                              << index_text(value, c.worst) << " theirs " << c.got << " gold " << c.gold << " allowed "
                              << c.allowed;
      std::cout << name << mode << ' ' << point << " peak " << c.peak_ulp << " ulp, " << c.excess << " of allowed\n";
      ++compared;
    }
    EXPECT_GE(compared, 2) << name << mode;
  }
}

Tensor whole(const std::string&, const Tensor& t) { return t; }

TEST(RealWidth, AttentionOf96HeadsOn8) {
  const ModelConfig config = real_config();
  const std::string at = "model.language_model.layers.0.self_attn";
  const Weights weights = procedural_weights(config, [&](const std::string& n) { return n.rfind(at + '.', 0) == 0; });
  const SafetensorsFile file = golden("attention");
  const auto position = as<int64_t, 2>(file.get("position_ids"));
  const Layer layer = [&](const Context& ctx, DType activation) {
    KvCache cache(cpu_backend(), config.text, activation, 1, 8);
    CachedSequence sequence;
    Batch batch;
    std::vector<std::array<int32_t, 3>> positions;
    for (int64_t t = 0; t < position.dim[1]; ++t) {
      positions.push_back({static_cast<int32_t>(position(0, t)), static_cast<int32_t>(position(1, t)),
                           static_cast<int32_t>(position(2, t))});
    }
    batch.add(sequence, cache, std::vector<int32_t>(positions.size(), 0), positions);
    Step step = upload(ctx, batch);
    text_rope_table(ctx, config.text, activation, step);
    const TextLayer text{config, weights.layers[0], 0, cache.k(0), cache.v(0)};
    const TensorView x = input(ctx.arena, activation, batch.tokens(), config.text.hidden_size);
    ctx.point(at, self_attention(ctx, text, step, x, at));
  };
  expect_within("attention", layer, [&](const std::string& name, const Tensor& t) {
    const bool cut = name.ends_with(".q") || name.ends_with("q_rot") || name.ends_with("context");
    return cut ? kept(t, 1, file.get("kept_heads")) : t;
  });
}

TEST(RealWidth, EightOf128Experts) {
  const ModelConfig config = real_config();
  const std::string at = "model.language_model.layers.1.mlp";
  const SafetensorsFile file = golden("moe");
  std::set<int64_t> chosen;
  const auto ids = as<int64_t, 2>(file.get(at + ".gate.topk_ids"));
  for (int64_t t = 0; t < ids.dim[0]; ++t) {
    for (int64_t k = 0; k < ids.dim[1]; ++k) chosen.insert(ids(t, k));
  }
  const Weights weights = procedural_weights(config, [&](const std::string& n) {
    const std::string expert = at + ".experts.";
    if (n.rfind(expert, 0) == 0) return chosen.count(std::stoll(n.substr(expert.size()))) > 0;  // 9 GB otherwise
    return n.rfind(at + '.', 0) == 0;
  });
  const Layer layer = [&](const Context& ctx, DType activation) {
    const TextLayer text{config, weights.layers[1], 1, {}, {}};
    const TensorView x = input(ctx.arena, activation, ids.dim[0], config.text.hidden_size);
    ctx.point(at, moe(ctx, text, {}, x, at));
  };
  const Points ours = run(layer, DType::f64, Reduction::blocked);
  EXPECT_EQ(compare_exact(file.get(at + ".gate.topk_ids"), ours.at(at + ".gate.topk_ids").view).different, 0);
  expect_within("moe", layer, whole);
}

TEST(RealWidth, VisionBlock) {
  const ModelConfig config = real_config();
  const std::string at = "model.visual.blocks.0";
  const Weights weights = procedural_weights(config, [&](const std::string& n) { return n.rfind(at + '.', 0) == 0; });
  const SafetensorsFile file = golden("vision_block");
  const auto grid = as<int64_t, 2>(file.get("image_grid_thw"));
  const Layer layer = [&](const Context& ctx, DType activation) {
    const PatchStep step = patch_step(ctx, config.vision, {{grid(0, 0), grid(0, 1), grid(0, 2)}});
    const TensorView x = input(ctx.arena, activation, grid(0, 0) * grid(0, 1) * grid(0, 2), config.vision.hidden_size);
    vision_block(ctx, config.vision, weights.vision.blocks[0], 0, step, x);
  };
  expect_within("vision_block", layer, [&](const std::string& name, const Tensor& t) {
    return name.rfind(at, 0) == 0 ? kept(t, 0, file.get("kept_rows")) : t;
  });
}

TEST(RealWidth, Merger) {
  const ModelConfig config = real_config();
  const Weights weights = procedural_weights(config, [&](const std::string& n) {
    return n.rfind("model.visual.downsample", 0) == 0 || n.rfind("model.visual.merger", 0) == 0;
  });
  const Layer layer = [&](const Context& ctx, DType activation) {
    merge_patches(ctx, config.vision, weights.vision, input(ctx.arena, activation, 8, config.vision.hidden_size));
  };
  expect_within("merger", layer, whole);
}

}  // namespace
}  // namespace glmv
