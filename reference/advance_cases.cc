#include "reference/advance.h"
#include "reference/all_cases.h"

namespace glmv {
namespace {

/// `sequences` of them; the lengths stand before, at and behind the border of a page.
Case decode_steps(int64_t sequences, int64_t page_size) {
  Case c;
  c.name = concat("advance/B", sequences, "_page", page_size);
  c.has = [](const OpTable& t) { return static_cast<bool>(t.advance); };
  c.build = [=](CaseRun& r, const OpTable& ops) -> CaseCall {
    constexpr int32_t kPages = 3;
    std::vector<int32_t> next, positions, lengths, pages;
    for (int32_t b = 0; b < sequences; ++b) {
      next.push_back(b == 1 ? -1 : 70000 + b);
      lengths.push_back(static_cast<int32_t>(page_size) + b % 4 - 1);
      for (int32_t p = 0; p < kPages; ++p) pages.push_back((b * kPages + p) * 5 % 97);
    }
    for (int32_t i = 0; i < 3 * sequences; ++i) positions.push_back(i * 7 - 3);
    AdvanceArgs a;
    a.next = r.ids("next", next);
    a.positions = r.ids("positions", positions, {3, sequences});
    a.lengths = r.ids("lengths", lengths);
    a.page_table = r.ids("page_table", pages, {sequences, kPages});
    a.page_size = r.scalar("page_size", page_size);
    a.ids_out = r.output("ids_out", DType::i32, {sequences}, Judge::exact);
    a.positions_out = r.output("positions_out", DType::i32, {3, sequences}, Judge::exact);
    a.lengths_out = r.output("lengths_out", DType::i32, {sequences}, Judge::exact);
    a.slots_out = r.output("slots_out", DType::i32, {sequences}, Judge::exact);
    return [=, &ops](Exec e) { ops.advance(a, e); };
  };
  return c;
}

}  // namespace

Cases advance_cases() { return {decode_steps(1, 64), decode_steps(5, 4), decode_steps(300, 64)}; }

}  // namespace glmv
