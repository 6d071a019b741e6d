// Other programs' names and layouts: a golden trace is rewritten as an engine would have dumped it, and must come back.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "crosscheck/crosscheck.h"
#include "crosscheck/layout.h"
#include "crosscheck/name_maps.h"
#include "crosscheck/report.h"
#include "crosscheck/stages.h"
#include "reference/core/splitmix.h"

namespace glmv {
namespace {

const std::string kMoe = GLMV_SOURCE_DIR "/tests/golden/moe_a", kDense = GLMV_SOURCE_DIR "/tests/golden/dense_b";
const std::string kLayer = "model.language_model.layers.1", kBlock = "model.visual.blocks.0";

Tensor copy_of(const ConstTensorView& v) {
  Tensor t(v.dtype, v);
  convert(v, t.view);
  return t;
}

Tensor reshaped(const Tensor& t, std::initializer_list<int64_t> dims) {
  Tensor out = t;
  out.view = reshape(t.view, dims);
  return out;
}

/// A trace that a test rewrites.
struct Dump {
  explicit Dump(const std::string& folder, const std::string& trace = "one_image") : model(Model::open(folder)) {
    const SafetensorsFile file = SafetensorsFile::open(concat(folder, "/traces/", trace, ".safetensors"));
    for (const auto& [name, view] : file.tensors()) tensors[name] = copy_of(view);
  }
  Tensor take(const std::string& name) {
    Tensor t = tensors.at(name);
    tensors.erase(name);
    return t;
  }
  ForeignTensors foreign() const {
    ForeignTensors f;
    f.path = "dump";
    f.format = "safetensors";
    f.metadata["dtype"] = "f32";
    for (const auto& [name, t] : tensors) f.add(name, t.view);
    return f;
  }
  Theirs theirs(const std::vector<std::string>& maps = {}) const {
    return theirs_from(foreign(), NameRules(maps, ""), &model.config);
  }
  CrosscheckReport check(const std::vector<std::string>& maps = {}) const {
    CrosscheckOptions options;
    options.explain = false;
    return crosscheck(model, theirs(maps), options);
  }
  Model model;
  std::map<std::string, Tensor> tensors;
};

/// Columns [begin, end) of the second axis.
Tensor columns(const Tensor& t, int64_t begin, int64_t end) { return copy_of(slice(t.view, 1, begin, end)); }

Tensor side_by_side(const std::vector<Tensor>& parts) {
  ConstTensorView extents = parts[0].view;
  extents.dim[1] = 0;
  for (const Tensor& p : parts) extents.dim[1] += p.view.dim[1];
  Tensor out(extents.dtype, extents);
  int64_t at = 0;
  for (const Tensor& p : parts) {
    convert(p.view, slice(out.view, 1, at, at + p.view.dim[1]));
    at += p.view.dim[1];
  }
  return out;
}

bool has_note(const std::vector<std::string>& notes, const std::string& part) {
  return std::any_of(notes.begin(), notes.end(),
                     [&](const std::string& n) { return n.find(part) != std::string::npos; });
}

void expect_noise(const CrosscheckReport& r, const std::string& point) {
  EXPECT_EQ(r.first, -1) << point << ": first departure is "
                         << (r.first < 0 ? "" : r.points[static_cast<size_t>(r.first)].name);
  const bool judged =
      std::any_of(r.points.begin(), r.points.end(), [&](const PointResult& p) { return p.name == point; });
  EXPECT_TRUE(judged) << point;
}

TEST(Layout, FusedProjectionsAreTakenApart) {
  for (const std::string& stem : {kLayer + ".self_attn.", kBlock + ".attn."}) {
    Dump dump(kMoe);
    const Tensor fused = side_by_side({dump.take(stem + "q"), dump.take(stem + "k"), dump.take(stem + "v")});
    dump.tensors["engine.qkv"] = reshaped(fused, {fused.view.dim[0], fused.view.dim[1] * fused.view.dim[2]});
    const std::vector<std::string> map = {"^engine.qkv$=" + stem + "qkv@qkv"};
    for (const char* part : {"q", "k", "v"}) expect_noise(dump.check(map), stem + part);
    EXPECT_TRUE(has_note(dump.theirs(map).notes, "qkv: query, key and value taken apart"));
  }
}

TEST(Layout, MegatronGroupsByKvHead) {
  Dump dump(kMoe);
  const std::string stem = kLayer + ".self_attn.";
  const Tensor q = dump.take(stem + "q"), k = dump.take(stem + "k"), v = dump.take(stem + "v");
  const int64_t kv = k.view.dim[1], group = q.view.dim[1] / kv;
  ASSERT_GT(kv, 1);
  std::vector<Tensor> parts;
  for (int64_t h = 0; h < kv; ++h) {
    parts.push_back(columns(q, h * group, (h + 1) * group));
    parts.push_back(columns(k, h, h + 1));
    parts.push_back(columns(v, h, h + 1));
  }
  dump.tensors["module.language_model.decoder.layers.1.self_attention.linear_qkv.0"] = side_by_side(parts);
  for (const char* part : {"q", "k", "v"}) expect_noise(dump.check({"megatron"}), stem + part);
}

TEST(Layout, AResidualIsAdded) {
  Dump dump(kMoe);
  const Tensor whole = dump.take(kLayer);
  Tensor hidden = copy_of(whole.view), residual = copy_of(whole.view);
  for (int64_t i = 0; i < whole.view.size(); ++i) {
    hidden.data<float>()[i] = 0.25f * whole.data<float>()[i];
    residual.data<float>()[i] = whole.data<float>()[i] - hidden.data<float>()[i];
  }
  dump.tensors["language_model.model.layers.1.0"] = hidden;
  dump.tensors["language_model.model.layers.1.1"] = residual;
  expect_noise(dump.check({"vllm"}), kLayer);
  dump.tensors.erase("language_model.model.layers.1.0");
  EXPECT_TRUE(has_note(dump.theirs({"vllm"}).warnings, "nothing to add it to"));
}

TEST(Layout, ShardsOfRanksAreJoined) {
  Dump dump(kMoe);
  const auto split = [&](const std::string& name) {
    const Tensor whole = dump.take(name);
    const int64_t half = whole.view.dim[1] / 2;
    dump.tensors[name + "#0"] = columns(whole, 0, half);
    dump.tensors[name + "#1"] = columns(whole, half, 2 * half);
  };
  split(kLayer + ".self_attn.q");
  split("logits");
  const Tensor same = dump.take(kLayer);
  dump.tensors[kLayer + "#0"] = dump.tensors[kLayer + "#1"] = same;
  const Tensor experts = dump.take(kLayer + ".mlp.experts");
  Tensor some = copy_of(experts.view), others = copy_of(experts.view);
  for (int64_t i = 0; i < experts.view.size(); ++i) {
    some.data<float>()[i] = 0.25f * experts.data<float>()[i];
    others.data<float>()[i] = experts.data<float>()[i] - some.data<float>()[i];
  }
  dump.tensors[kLayer + ".mlp.experts#0"] = some;
  dump.tensors[kLayer + ".mlp.experts#1"] = others;
  const CrosscheckReport r = dump.check();
  for (const std::string& point : {kLayer + ".self_attn.q", std::string("logits"), kLayer, kLayer + ".mlp.experts"})
    expect_noise(r, point);
  const Theirs theirs = dump.theirs();
  for (const char* rule : {"put side by side", "read once", "partial sums"})
    EXPECT_TRUE(has_note(theirs.notes, rule)) << rule;
}

TEST(Layout, FusedShardsAreTakenApartBeforeTheyAreJoined) {
  Dump dump(kMoe);
  const std::string stem = kLayer + ".self_attn.";
  const Tensor q = dump.take(stem + "q"), k = dump.take(stem + "k"), v = dump.take(stem + "v");
  const int64_t hq = q.view.dim[1] / 2, hk = k.view.dim[1] / 2;
  ASSERT_GT(hk, 0);
  for (int64_t rank = 0; rank < 2; ++rank) {
    dump.tensors[concat("language_model.model.layers.1.self_attn.qkv_proj.0#", rank)] =
        side_by_side({columns(q, rank * hq, (rank + 1) * hq), columns(k, rank * hk, (rank + 1) * hk),
                      columns(v, rank * hk, (rank + 1) * hk)});
  }
  for (const char* part : {"q", "k", "v"}) expect_noise(dump.check({"vllm"}), stem + part);
}

/// Every tensor as `ranks` ranks have it that share out heads, kv heads where there are enough, and the vocabulary,
/// which is padded by a column until it can be shared out. Heads are told apart, side by side, or behind a batch axis.
void share_out(Dump& dump, int64_t ranks, const std::string& layout) {
  const auto all = dump.tensors;
  dump.tensors.clear();
  for (const auto& [name, t] : all) {
    const PointName at = split_step(name);
    const bool heads = rank_of_point(at.point) == 3;
    const int64_t of_all = t.view.rank > 1 ? t.view.dim[1] : 1;
    for (int64_t rank = 0; rank < ranks; ++rank) {
      Tensor part = t;
      if (heads && at.point.find("language_model") != std::string::npos) {
        const int64_t each = std::max<int64_t>(1, of_all / ranks), begin = rank * of_all / ranks;
        part = columns(t, begin, begin + each);
        const int64_t tokens = part.view.dim[0], width = part.view.dim[2];
        if (layout == "merged") part = reshaped(part, {tokens, each * width});
        if (layout == "batch") part = reshaped(part, {1, tokens, each, width});
        if (layout == "merged batch") part = reshaped(part, {1, tokens, each * width});
      } else if (at.point == "logits") {
        const int64_t each = (of_all + ranks - 1) / ranks, begin = rank * each, end = std::min(of_all, begin + each);
        part = Tensor(t.view.dtype, {t.view.dim[0], each});
        convert(slice(t.view, 1, begin, end), slice(part.view, 1, 0, end - begin));
      }
      dump.tensors[concat(name, '#', rank)] = part;
    }
  }
}

TEST(Layout, HeadsSharedOutAmongRanksComeBack) {
  for (const char* trace : {"one_image", "greedy"}) {
    for (const int64_t ranks : {2, 6}) {  // of 6 heads and 2 kv heads: 3 ranks have the same key
      for (const char* layout : {"apart", "merged", "batch", "merged batch"}) {
        Dump dump(kMoe, trace);
        const size_t points = dump.tensors.size();
        share_out(dump, ranks, layout);
        const CrosscheckReport r = dump.check();
        EXPECT_TRUE(r.within()) << trace << ' ' << ranks << ' ' << layout << ": "
                                << r.points[static_cast<size_t>(std::max<int64_t>(r.first, 0))].detail;
        EXPECT_EQ(dump.theirs().points.size(), points);
        EXPECT_TRUE(dump.theirs().ranks.empty());
        EXPECT_EQ(has_note(r.notes, "kv heads that several ranks hold"), ranks == 6);
      }
    }
  }
}

TEST(Layout, WhatEveryRankHoldsWholeIsReadOnce) {
  for (const int64_t ranks : {2, 3}) {
    Dump dump(kMoe);
    const auto all = dump.tensors;
    dump.tensors.clear();
    for (const auto& [name, t] : all) {
      for (int64_t rank = 0; rank < ranks; ++rank) dump.tensors[concat(name, '#', rank)] = t;
    }
    const CrosscheckReport r = dump.check();
    EXPECT_TRUE(r.within());
    EXPECT_TRUE(has_note(r.notes, concat("ranks that hold the same were read once: ", all.size(), " tensors")));
    EXPECT_TRUE(r.warnings.empty());
    // Without a model, as glmv diff reads it.
    EXPECT_EQ(to_our_layout(dump.foreign(), {}, nullptr).tensors.at("logits").dim[1], all.at("logits").view.dim[1]);
  }
}

TEST(Layout, PaddingOfASharedOutVocabularyIsCut) {
  Dump dump(kMoe);
  const Tensor all = dump.take("logits");
  const int64_t vocabulary = all.view.dim[1], each = 20;
  for (int64_t rank = 0; rank < 5; ++rank) {
    Tensor part(DType::f32, {all.view.dim[0], each});
    const int64_t begin = rank * each, end = std::min(vocabulary, begin + each);
    convert(slice(all.view, 1, begin, end), slice(part.view, 1, 0, end - begin));
    dump.tensors[concat("logits#", rank)] = part;
  }
  expect_noise(dump.check(), "logits");
  EXPECT_TRUE(has_note(dump.theirs().notes, "padding of the vocabulary cut: 4 of 100 columns"));
  // A whole shard more is no padding.
  dump.tensors["logits#5"] = dump.tensors["logits#4"];
  EXPECT_EQ(dump.theirs().points.at("logits").dim[1], 120);
}

TEST(Layout, OneKvHeadIsHeldByAllRanks) {
  Dump dump(kMoe);
  dump.model.config.text.num_kv_heads = 1;
  const std::string k = kLayer + ".self_attn.k";
  const Tensor head = columns(dump.take(k), 0, 1);
  dump.tensors[k + "#0"] = dump.tensors[k + "#1"] = head;
  EXPECT_EQ(concat(dump.theirs().points.at(k)), concat(head.view));
}

/// Each of two ranks holds every tensor; a test changes the second.
Dump on_two_ranks() {
  Dump dump(kMoe);
  const auto all = dump.tensors;
  dump.tensors.clear();
  for (const auto& [name, t] : all) dump.tensors[name + "#0"] = t, dump.tensors[name + "#1"] = copy_of(t.view);
  return dump;
}

TEST(Layout, RanksThatDifferByNoiseAreNoise) {
  Dump dump = on_two_ranks();
  for (auto& [name, t] : dump.tensors) {
    const bool computed = stage_of(name.substr(0, name.size() - 2)) > 3;
    if (!computed || !name.ends_with("#1") || t.view.dtype != DType::f32) continue;
    for (int64_t i = 0; i < t.view.size(); ++i) {
      float& x = t.data<float>()[i];
      if (i % 3 == 0) x = std::nextafter(x, 0.0F);
    }
  }
  const CrosscheckReport r = dump.check();
  EXPECT_TRUE(r.within()) << r.points[static_cast<size_t>(std::max<int64_t>(r.first, 0))].detail;
  EXPECT_EQ(r.verdict(), ExitCode::ok);
  EXPECT_TRUE(has_note(r.notes, "ranks differ where they should hold the same: each was judged"));
  EXPECT_FALSE(has_note(r.notes, "partial sums"));
}

TEST(Layout, ARankThatDepartsIsNamed) {
  const std::vector<std::string> points = {
      kLayer,          kLayer + ".mlp", kLayer + ".self_attn.q", kLayer + ".mlp.gate.topk_weights", kBlock,
      "inputs_embeds", "logits"};
  for (const std::string& point : points) {
    for (const int rank : {0, 1}) {
      Dump dump = on_two_ranks();
      dump.tensors.at(concat(point, '#', rank)).data<float>()[5] += 0.125F;
      const CrosscheckReport r = dump.check();
      ASSERT_EQ(r.verdict(), ExitCode::differs) << point;
      const PointResult& p = r.points[static_cast<size_t>(r.first)];
      EXPECT_EQ(p.name, point);
      EXPECT_NE(p.detail.find(concat("rank ", rank, ": ")), std::string::npos) << p.detail;
      EXPECT_EQ(p.not_on_first_rank, rank == 1);
      for (const std::string& report : {text_report(r, false), json_report(r), junit_report(r), jsonl_report(r),
                                        html_report(r, dump.theirs(), dump.model.config)})
        EXPECT_NE(report.find(concat("rank ", rank, ": ")), std::string::npos) << point;
    }
  }
}

TEST(Layout, RanksMustBeGivenTheSame) {
  Dump dump = on_two_ranks();
  dump.tensors.at("input_ids#1").data<int64_t>()[2] += 1;
  const CrosscheckReport r = dump.check();
  ASSERT_EQ(r.verdict(), ExitCode::differs);
  const PointResult& p = r.points[static_cast<size_t>(r.first)];
  EXPECT_EQ(p.name, "input_ids");
  EXPECT_NE(p.detail.find("rank 1 was given another input than rank 0: 1 of 15"), std::string::npos) << p.detail;
  dump = on_two_ranks();
  dump.tensors.at("position_ids#1").data<int64_t>()[2] += 1;
  EXPECT_EQ(dump.check().verdict(), ExitCode::differs);
}

TEST(Layout, RanksMayNameExpertsInAnyOrder) {
  Dump dump = on_two_ranks();
  const std::string gate = kLayer + ".mlp.gate.";
  Tensor &ids = dump.tensors.at(gate + "topk_ids#1"), &weights = dump.tensors.at(gate + "topk_weights#1");
  const int64_t k = ids.view.dim[1];
  std::reverse(ids.data<int64_t>(), ids.data<int64_t>() + k);
  EXPECT_EQ(dump.check().verdict(), ExitCode::differs) << "each expert has another's weight";
  std::reverse(weights.data<float>(), weights.data<float>() + k);
  EXPECT_TRUE(dump.check().within());
  EXPECT_TRUE(dump.theirs().ranks.empty());
}

TEST(Layout, HeadsThatSeveralRanksHoldMustBeEqual) {
  Dump dump(kMoe);
  share_out(dump, 6, "merged");
  dump.tensors.at(kLayer + ".self_attn.k#4").data<float>()[7] += 0.125F;  // ranks 3, 4 and 5 hold the second head
  const CrosscheckReport r = dump.check();
  ASSERT_EQ(r.verdict(), ExitCode::differs);
  EXPECT_EQ(r.points[static_cast<size_t>(r.first)].name, kLayer + ".self_attn.k");
  EXPECT_NE(r.points[static_cast<size_t>(r.first)].detail.find("ranks 1, 4: "), std::string::npos);
}

TEST(Layout, AFusedProjectionMayBeWholeOnEveryRank) {
  Dump dump(kMoe);
  const std::string stem = kLayer + ".self_attn.";
  const Tensor fused = side_by_side({dump.take(stem + "q"), dump.take(stem + "k"), dump.take(stem + "v")});
  for (const char* rank : {"#0", "#1"}) dump.tensors[stem + "qkv" + rank] = fused;
  const CrosscheckReport r = dump.check({"(self_attn\\.qkv)$=$1@qkv"});
  for (const char* part : {"q", "k", "v"}) expect_noise(r, stem + part);
}

TEST(Layout, TwoTensorsOfOneNameAreNamed) {
  const Dump dump(kMoe);
  try {
    dump.theirs({"^.*(norm1|norm2)$=logits"});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::bad_input);
    EXPECT_NE(
        std::string(e.what()).find("--map gives 5 tensors the name logits, among them logits and " + kBlock + ".norm1"),
        std::string::npos)
        << e.what();
  }
}

TEST(Layout, TransposedAndHeadsFirst) {
  Dump dump(kMoe);
  const auto exchange = [&](const std::string& name) {
    ConstTensorView v = dump.tensors.at(name).view;
    std::swap(v.dim[0], v.dim[1]);
    std::swap(v.stride[0], v.stride[1]);
    dump.tensors[name] = copy_of(v);
  };
  exchange(kLayer);
  exchange(kLayer + ".self_attn.q_rot");
  EXPECT_GE(dump.check().first, 0);  // not asked for, not undone
  const CrosscheckReport r =
      dump.check({"(layers\\.1)$=$1@transposed", "(layers\\.1\\.self_attn\\.q_rot)$=$1@heads_first"});
  expect_noise(r, kLayer);
  expect_noise(r, kLayer + ".self_attn.q_rot");
}

TEST(Layout, AnglesThatStandThereTwice) {
  Dump dump(kMoe);
  const std::string halves = "model.language_model.rotary.cos", pairs = "model.language_model.rotary.sin";
  const Tensor cos = dump.tensors.at(halves), sin = dump.tensors.at(pairs);
  dump.tensors[halves] = side_by_side({cos, cos});
  Tensor twice(sin.view.dtype, {sin.view.dim[0], 2 * sin.view.dim[1]});
  for (int64_t i = 0; i < twice.view.size(); ++i) twice.data<float>()[i] = sin.data<float>()[i / 2];
  dump.tensors[pairs] = twice;
  const CrosscheckReport r = dump.check({"(rotary\\.(?:cos|sin))$=$1@each_angle_twice"});
  expect_noise(r, halves);
  expect_noise(r, pairs);
}

TEST(Layout, HalfSplitRowsOfTheDenseFamilyArePutBackInPairs) {
  Dump dump(kDense);
  const TextConfig& c = dump.model.config.text;
  const std::string point = kLayer + ".self_attn.q";
  const Tensor ours = dump.tensors.at(point);
  Tensor theirs = copy_of(ours.view);
  for (int64_t head = 0; head < ours.view.dim[0] * ours.view.dim[1]; ++head) {
    const float* from = ours.data<float>() + head * c.head_dim;
    float* to = theirs.data<float>() + head * c.head_dim;
    for (int64_t j = 0; j < c.rotary_dim / 2; ++j) to[j] = from[2 * j], to[c.rotary_dim / 2 + j] = from[2 * j + 1];
  }
  dump.tensors[point] = theirs;
  EXPECT_GE(dump.check().first, 0);
  expect_noise(dump.check({"(layers\\.1\\.self_attn\\.q)$=$1@half_split"}), point);
}

TEST(Layout, OneNameForTheNormOfEitherFamily) {
  for (const std::string& folder : {kMoe, kDense}) {
    Dump dump(folder);
    const std::string norm = folder == kMoe ? ".post_attention_layernorm" : ".post_self_attn_layernorm";
    dump.tensors["post_attn_norm-1.MUL"] = dump.take(kLayer + norm);
    expect_noise(dump.check({"llamacpp"}), kLayer + norm);
  }
}

TEST(Layout, PaddingIsCutWhereTheMaskSaysSo) {
  for (const bool left : {false, true}) {
    Dump dump(kMoe);
    const int64_t tokens = dump.tensors.at("input_ids").view.dim[0], pad = 3;
    for (auto& [name, t] : dump.tensors) {
      const int stage = stage_of(name);
      const int axis = name == "position_ids" ? 1 : 0;
      if (name == "rope_delta" || (stage != 2 && stage != 3 && stage < 8) || name == "image_grid_thw") continue;
      ConstTensorView extents = t.view;
      extents.dim[axis] += pad;
      Tensor padded(t.view.dtype, extents);
      convert(t.view, slice(padded.view, axis, left ? pad : 0, tokens + (left ? pad : 0)));
      t = padded;
    }
    Tensor mask(DType::i64, {1, tokens + pad});
    for (int64_t i = 0; i < tokens; ++i) mask.data<int64_t>()[i + (left ? pad : 0)] = 1;
    dump.tensors["attention_mask"] = mask;
    const CrosscheckReport r = dump.check();
    expect_noise(r, "logits");
    EXPECT_TRUE(has_note(r.notes, "padding cut: 3 of"));
  }
}

TEST(Layout, TheInputOfALayerStandsForTheOutputOfTheOneBefore) {
  Dump dump(kMoe);
  dump.tensors["model.language_model.layers.2.input"] = dump.take(kLayer);
  dump.tensors["model.language_model.layers.0.input"] = dump.take("inputs_embeds");
  const CrosscheckReport r = dump.check({"transformers"});
  expect_noise(r, kLayer);
  expect_noise(r, "inputs_embeds");
}

TEST(Layout, MisfitsAreErrors) {
  const auto expect_error = [](const std::string& map, ExitCode code, const std::string& part) {
    Dump dump(kMoe);
    try {
      dump.theirs({map});
      ADD_FAILURE() << map;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
    }
  };
  expect_error("(layers\\.1)$=$1@sideways", ExitCode::usage, "@sideways");
  expect_error("(layers\\.1)$=$1.self_attn.qkv@qkv", ExitCode::bad_input, "a row should be");
  expect_error("(layers\\.1\\.self_attn\\.q)$=$1@transposed", ExitCode::bad_input, "not 2 axes");
  expect_error("logits=logits@input", ExitCode::usage, "not a layer");
  expect_error("nonsense", ExitCode::usage, "transformers, vllm");
  Dump dump(kMoe);
  dump.tensors["logits#1"] = dump.take("logits");
  EXPECT_THROW(dump.theirs(), Error) << "rank 0 is missing";
}

TEST(Layout, AnAtSignInAFileIsPartOfAName) {
  Dump dump(kMoe);
  dump.tensors["logits@nonsense"] = dump.take("logits");
  EXPECT_EQ(dump.theirs().points.count("logits@nonsense"), 1u);
}

TEST(Layout, WithoutAModelItsNumbersAreNotGuessed) {
  const Dump dump(kMoe);
  const OurLayout out = to_our_layout(dump.foreign(), NameRules({"(layers\\.1)$=$1.qkv@qkv"}, ""), nullptr);
  EXPECT_EQ(out.tensors.count(kLayer + ".qkv"), 1u);
  EXPECT_TRUE(has_note(out.notes, "needs the numbers of a model"));
}

/// Shapes that nobody would write: each is read or refused, and no element outside of a tensor is touched.
TEST(Layout, AnyShapeIsReadOrRefused) {
  const std::vector<std::string> rules = {"qkv",        "qkv_by_group", "residual",         "input",      "same",
                                          "transposed", "heads_first",  "each_angle_twice", "half_split", "ignored"};
  const std::vector<std::string> points = {kLayer,
                                           kLayer + ".self_attn.qkv",
                                           kBlock + ".attn.qkv",
                                           "attention_mask",
                                           "position_ids",
                                           kLayer + ".self_attn.k",
                                           "logits",
                                           "input_ids",
                                           "model.language_model.rotary.cos",
                                           "model.visual.downsample"};
  SplitMix64 random(7);
  const ModelConfig moe = read_config(kMoe), dense = read_config(kDense);
  int64_t read = 0, refused = 0;
  for (int run = 0; run < 3000; ++run) {
    ForeignTensors f;
    f.path = "dump";
    std::vector<std::string> maps;
    std::vector<Tensor> kept;
    for (int n = 0; n < 4; ++n) {
      const std::string point = points[random.next() % points.size()];
      ConstTensorView extents;
      extents.rank = static_cast<int>(random.next() % 6);
      for (int i = 0; i < extents.rank; ++i) extents.dim[i] = static_cast<int64_t>(random.next() % 5);
      kept.emplace_back(random.next() % 2 == 0 ? DType::f32 : DType::i64, extents);
      const std::string name = concat("t", n, random.next() % 4 == 0 ? concat('#', random.next() % 3) : "");
      f.tensors.emplace(name, kept.back().view);
      const std::string rule = random.next() % 2 == 0 ? "@" + rules[random.next() % rules.size()] : "";
      maps.push_back(concat("^t", n, "$=", point, rule));
    }
    try {
      to_our_layout(f, NameRules(maps, ""), run % 3 == 0 ? nullptr : run % 3 == 1 ? &moe : &dense);
      ++read;
    } catch (const Error& e) {
      ++refused;
      EXPECT_EQ(std::string(e.what()).find(".cc:"), std::string::npos) << "an inner check, not a message: " << e.what();
    }
  }
  EXPECT_GT(read, 100);
  EXPECT_GT(refused, 100);
}

TEST(NameMaps, EachKnowsItsOwnNames) {
  const struct {
    const char *map, *theirs, *ours;
  } known[] = {
      {"vllm", "language_model.model.layers.7.0", "model.language_model.layers.7"},
      {"vllm", "language_model.model.layers.7.1", "model.language_model.layers.7@residual"},
      {"vllm", "step.2/language_model.model.layers.7.mlp", "step.2/model.language_model.layers.7.mlp"},
      {"vllm", "visual.blocks.3.norm2.0", "model.visual.blocks.3.norm2"},
      {"vllm", "visual.blocks.3.attn.qkv.0", "model.visual.blocks.3.attn.qkv@qkv"},
      {"vllm", "language_model.logits_processor", "logits"},
      {"sglang", "model.layers.1.mlp.topk.1", "model.language_model.layers.1.mlp.gate.topk_ids"},
      {"sglang", "visual.blocks.0.attn.qkv_proj.0", "model.visual.blocks.0.attn.qkv@qkv"},
      {"sglang", "model.layers.1.post_attention_layernorm.0", "model.language_model.layers.1.post_attention_layernorm"},
      {"megatron", "module.language_model.decoder.layers.4.pre_mlp_layernorm",
       "model.language_model.layers.4.post_attention_layernorm"},
      {"megatron", "vision_model.merger", "model.visual.merger"},
      {"mlx", "vision_tower.blocks.2", "model.visual.blocks.2"},
      {"mlx", "language_model.lm_head", "logits"},
      {"llamacpp", "l_out-3.ADD", "model.language_model.layers.3"},
      {"llamacpp", "vision/layer_out-1.ADD", "model.visual.blocks.1"},
      {"llamacpp", "Qcur-0.ROPE", "model.language_model.layers.0.self_attn.q_rot@half_split"},
      {"transformers", "model.language_model.layers.1.mlp.gate_outputs_0",
       "model.language_model.layers.1.mlp.gate.logits"},
  };
  for (const auto& k : known) EXPECT_EQ(NameRules({k.map}, "").mapped(k.theirs), k.ours) << k.map;
}

TEST(NameMaps, PointsOfOursStayWhatTheyAre) {
  for (const NameMap& map : name_maps()) {
    const NameRules rules({map.name}, "");
    for (const char* point : {"input_ids", "pixel_values", "inputs_embeds", "logits", "model.visual.blocks.1.attn.q",
                              "model.language_model.layers.3.mlp.gate.topk_ids"})
      EXPECT_EQ(rules.mapped(point), point) << map.name;
  }
}

TEST(NameMaps, TheLikelyOneIsNamed) {
  Dump dump(kMoe);
  dump.tensors["language_model.model.layers.1.mlp"] = dump.take(kLayer + ".mlp");
  EXPECT_TRUE(dump.theirs().warnings.empty());  // most names are ours
  dump.tensors.clear();
  dump.tensors["language_model.model.layers.1.0"] = Tensor(DType::f32, {2, 2});
  EXPECT_TRUE(has_note(dump.theirs().warnings, "--map vllm"));
}

}  // namespace
}  // namespace glmv
