#include "reference/all_cases.h"
#include "reference/embedding.h"
#include "reference/splice.h"

namespace glmv {
namespace {

Case embed(DType dtype, Format format, int64_t tokens, int64_t vocabulary, int64_t width) {
  Case c;
  c.name = concat("embedding/", name_of(dtype), format == Format::plain ? "" : "_fp8", "_T", tokens, "_V", vocabulary,
                  "_H", width);
  c.dtype = dtype;
  c.bench = width >= 4096;
  c.has = [](const OpTable& t) { return static_cast<bool>(t.embedding); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    std::vector<int32_t> ids;
    for (int64_t t = 0; t < tokens; ++t)
      ids.push_back(static_cast<int32_t>(t % 3 == 2 ? vocabulary - 1 : t * 11 % vocabulary));
    const EmbeddingArgs a{r.ids("ids", ids), r.weight("table", vocabulary, width, format),
                          r.output("out", {tokens, width})};
    return [=, &ops](Exec e) { ops.embedding(a, e); };
  };
  return c;
}

Case splice_rows(DType dtype, const std::vector<int32_t>& rows, int64_t tokens, int64_t width) {
  Case c;
  c.name = concat("splice/", name_of(dtype), "_N", rows.size(), "_T", tokens, "_H", width);
  c.dtype = dtype;
  c.has = [](const OpTable& t) { return static_cast<bool>(t.splice); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const SpliceArgs a{r.ids("rows", rows), r.input("features", {static_cast<int64_t>(rows.size()), width}),
                       r.in_place("x", {tokens, width})};
    return [=, &ops](Exec e) { ops.splice(a, e); };
  };
  return c;
}

}  // namespace

Cases embedding_cases() {
  Cases list;
  for (DType d : {DType::f32, DType::bf16}) {
    list.push_back(embed(d, Format::plain, 1, 5, 16));
    list.push_back(embed(d, Format::plain, 9, 40, 33));
    list.push_back(embed(d, Format::fp8_per_row, 4, 12, 24));
    list.push_back(embed(d, Format::plain, 16, 512, 4096));
    list.push_back(splice_rows(d, {}, 4, 8));
    list.push_back(splice_rows(d, {1, 2, 5}, 7, 20));
    list.push_back(splice_rows(d, {6, 0}, 7, 33));
  }
  return list;
}

}  // namespace glmv
