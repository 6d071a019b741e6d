#include "reference/all_cases.h"
#include "reference/pos_embed.h"
#include "reference/pos_embed_taps.h"

namespace glmv {
namespace {

/// Coordinates of the patches of a picture, and its extents, once per patch.
struct Patches {
  std::vector<int32_t> positions, extents;
  int64_t count;
};
Patches patches_of(int32_t height, int32_t width) {
  Patches p{{}, {}, int64_t{height} * width};
  for (int axis = 0; axis < 2; ++axis) {
    for (int32_t y = 0; y < height; ++y) {
      for (int32_t x = 0; x < width; ++x) {
        p.positions.push_back(axis == 0 ? y : x);
        p.extents.push_back(axis == 0 ? height : width);
      }
    }
  }
  return p;
}

Case taps(int32_t height, int32_t width, int64_t side) {
  Case c;
  c.name = concat("pos_embed_taps/h", height, "_w", width, "_side", side);
  c.has = [](const OpTable& t) { return static_cast<bool>(t.pos_embed_taps); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const Patches p = patches_of(height, width);
    const auto index = [&](const char* name) { return r.output(name, DType::i32, {p.count, 4}, Judge::exact); };
    const auto weight = [&](const char* name) { return r.output(name, DType::f32, {p.count, 4}); };
    const PosEmbedTapsArgs a{r.ids("positions", p.positions, {2, p.count}),
                             r.ids("extents", p.extents, {2, p.count}),
                             r.scalar("side", side),
                             index("index_y"),
                             index("index_x"),
                             weight("weight_y"),
                             weight("weight_x")};
    return [=, &ops](Exec e) { ops.pos_embed_taps(a, e); };
  };
  return c;
}

Case sample_table(DType dtype, int64_t patches, int64_t side, int64_t width) {
  Case c;
  c.name = concat("pos_embed/", name_of(dtype), "_P", patches, "_side", side, "_D", width);
  c.dtype = dtype;
  c.bench = width >= 1024;
  c.flops = 40.0 * static_cast<double>(patches * width);
  c.has = [](const OpTable& t) { return static_cast<bool>(t.pos_embed); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    std::vector<int32_t> iy, ix;
    for (int64_t i = 0; i < 4 * patches; ++i) {
      iy.push_back(static_cast<int32_t>((i * 7 + 1) % side));
      ix.push_back(static_cast<int32_t>((i * 5 + 2) % side));
    }
    const PosEmbedArgs a{r.input("x", {patches, width}),
                         r.fixed("table", DType::bf16, {side * side, width}),
                         r.scalar("side", side),
                         r.ids("index_y", iy, {patches, 4}),
                         r.ids("index_x", ix, {patches, 4}),
                         r.fixed("weight_y", DType::f32, {patches, 4}),
                         r.fixed("weight_x", DType::f32, {patches, 4}),
                         r.output("out", {patches, width})};
    return [=, &ops](Exec e) { ops.pos_embed(a, e); };
  };
  return c;
}

}  // namespace

Cases vision_position_cases() {
  Cases list = {taps(1, 1, 24), taps(4, 6, 5), taps(24, 24, 24), taps(30, 7, 24), taps(2, 92, 24), taps(3, 3, 1)};
  for (DType d : {DType::f32, DType::bf16}) {
    list.push_back(sample_table(d, 1, 3, 8));
    list.push_back(sample_table(d, 13, 5, 37));
    list.push_back(sample_table(d, 24, 24, 1536));
  }
  return list;
}

}  // namespace glmv
