#include "reference/all_cases.h"
#include "reference/kv_write.h"

namespace glmv {
namespace {

Case write(DType dtype, int64_t page, int64_t pages, const std::vector<int32_t>& slots, int64_t heads, int64_t width) {
  Case c;
  c.name = concat("kv_write/", name_of(dtype), "_T", slots.size(), "_page", page, "_Hkv", heads, "_D", width);
  c.dtype = dtype;
  c.bench = width >= 128;
  c.has = [](const OpTable& t) { return static_cast<bool>(t.kv_write); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    const auto tokens = static_cast<int64_t>(slots.size());
    const KvWriteArgs a{r.input("k", {tokens, heads, width}), r.input("v", {tokens, heads, width}),
                        r.ids("slots", slots), r.in_place("k_pages", {pages, page, heads, width}),
                        r.in_place("v_pages", {pages, page, heads, width})};
    return [=, &ops](Exec e) { ops.kv_write(a, e); };
  };
  return c;
}

}  // namespace

Cases kv_write_cases() {
  Cases list;
  for (DType d : {DType::f32, DType::bf16}) {
    list.push_back(write(d, 8, 1, {0}, 1, 8));
    list.push_back(write(d, 8, 1, {3, 1}, 1, 5));
    list.push_back(write(d, 4, 3, {0, 1, 2, 3, 8, 9, 4}, 2, 16));
    list.push_back(write(d, 64, 2, {63, 64, 65}, 8, 128));
  }
  return list;
}

}  // namespace glmv
