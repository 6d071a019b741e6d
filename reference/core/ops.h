// The op table: what a backend can do, as a value.
//
// One entry per op, in the order in which the model uses them. A null `run` means "not implemented here": it is
// shown by `glmv info` and counted by the tests, never silently replaced. The argument structs are declared in
// the op headers (reference/<op>.h); a table only needs their names.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "reference/core/error.h"
#include "reference/core/exec.h"

namespace glmv {

struct PosEmbedTapsArgs;
struct PosEmbedArgs;
struct RopeTableArgs;
struct EmbeddingArgs;
struct SpliceArgs;
struct RmsNormArgs;
struct LayerNormArgs;
struct LinearArgs;
struct AddArgs;
struct GeluArgs;
struct SiluMulArgs;
struct MropeArgs;
struct KvWriteArgs;
struct AttentionArgs;
struct MoeRouteArgs;
struct MoeExpertsArgs;
struct SampleArgs;
struct AdvanceArgs;
struct FusedAddRmsNormArgs;
struct FusedRopeKvWriteArgs;

template <class Args>
struct Op {
  void (*run)(const Args&, Exec) = nullptr;
  size_t (*scratch_bytes)(const Args&) = nullptr;  ///< null = needs none

  explicit operator bool() const { return run != nullptr; }
  /// Runs it with the scratch memory it asks for. Error: a backend that lacks it.
  void operator()(const Args& args, Exec exec) const {
    GLMV_CHECK(run != nullptr, "this backend lacks an op that the model needs");
    if (scratch_bytes == nullptr) return run(args, exec);
    const ScratchScope scope(exec, scratch_bytes(args));
    run(args, exec);
  }
};

struct OpTable {
  Op<PosEmbedTapsArgs> pos_embed_taps;
  Op<PosEmbedArgs> pos_embed;
  Op<RopeTableArgs> rope_table;
  Op<EmbeddingArgs> embedding;
  Op<SpliceArgs> splice;
  Op<RmsNormArgs> rmsnorm;
  Op<LayerNormArgs> layernorm;
  Op<LinearArgs> linear;
  Op<AddArgs> add;
  Op<GeluArgs> gelu;
  Op<SiluMulArgs> silu_mul;
  Op<MropeArgs> mrope;
  Op<KvWriteArgs> kv_write;
  Op<AttentionArgs> attention;
  Op<MoeRouteArgs> moe_route;
  Op<MoeExpertsArgs> moe_experts;
  Op<SampleArgs> sample;
  Op<AdvanceArgs> advance;

  // Fused entries are optional: their reference is the composition of plain ops in reference/fused.cc, and a layer
  // uses one only where it is present and no point inside it is being traced.
  Op<FusedAddRmsNormArgs> fused_add_rmsnorm;
  Op<FusedRopeKvWriteArgs> fused_rope_kv_write;

  /// f("attention", entry) for every entry, in the order above.
  template <class F>
  void for_each(F f) const {
    f("pos_embed_taps", pos_embed_taps);
    f("pos_embed", pos_embed);
    f("rope_table", rope_table);
    f("embedding", embedding);
    f("splice", splice);
    f("rmsnorm", rmsnorm);
    f("layernorm", layernorm);
    f("linear", linear);
    f("add", add);
    f("gelu", gelu);
    f("silu_mul", silu_mul);
    f("mrope", mrope);
    f("kv_write", kv_write);
    f("attention", attention);
    f("moe_route", moe_route);
    f("moe_experts", moe_experts);
    f("sample", sample);
    f("advance", advance);
    f("fused_add_rmsnorm", fused_add_rmsnorm);
    f("fused_rope_kv_write", fused_rope_kv_write);
  }
};

}  // namespace glmv
