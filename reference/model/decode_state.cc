#include "reference/model/decode_state.h"

#include <numeric>

namespace glmv {

DecodeState::DecodeState(const Context& ctx, int64_t sequences, int64_t pages) {
  GLMV_CHECK(sequences >= 1 && pages >= 1, sequences, " sequences of ", pages, " pages");
  rows_ = ctx.arena.make(DType::i32, {5, sequences});
  next_ = reshape(slice(rows_, 0, 0, 1), {sequences});
  positions_ = slice(rows_, 0, 1, 4);
  lengths_ = reshape(slice(rows_, 0, 4, 5), {sequences});
  ids_ = ctx.arena.make(DType::i32, {sequences});
  slots_ = ctx.arena.make(DType::i32, {sequences});
  page_table_ = ctx.arena.make(DType::i32, {sequences, pages});
  std::vector<int32_t> one_query_each(static_cast<size_t>(sequences) + 1);
  std::iota(one_query_each.begin(), one_query_each.end(), 0);
  cu_seqlens_ = upload(ctx, one_query_each);
}

void DecodeState::write_rows(const Context& ctx, const std::vector<DecodeRow>& rows) const {
  const auto width = static_cast<size_t>(sequences());
  GLMV_CHECK(rows.size() <= width, rows.size(), " sequences, there is room for ", width);
  std::vector<int32_t> values(5 * width, 0);
  for (size_t b = 0; b < rows.size(); ++b) {
    values[b] = rows[b].token;
    for (size_t axis = 1; axis <= 3; ++axis) values[axis * width + b] = rows[b].position;
    values[4 * width + b] = rows[b].length;
  }
  ctx.backend.send(rows_.data, values.data(), values.size() * sizeof(int32_t), ctx.exec.stream);
}

void DecodeState::write_pages(const Context& ctx, const std::vector<const std::vector<int32_t>*>& pages_of_row) const {
  const auto width = static_cast<size_t>(pages());
  std::vector<int32_t> table(pages_of_row.size() * width, 0);
  for (size_t b = 0; b < pages_of_row.size(); ++b) {
    const std::vector<int32_t>& of_row = *pages_of_row[b];
    GLMV_CHECK(of_row.size() <= width, of_row.size(), " pages, there is room for ", width);
    std::copy(of_row.begin(), of_row.end(), table.begin() + static_cast<std::ptrdiff_t>(b * width));
  }
  ctx.backend.send(page_table_.data, table.data(), table.size() * sizeof(int32_t), ctx.exec.stream);
}

AdvanceArgs DecodeState::advance(int64_t live, int64_t pages, int64_t page_size) const {
  AdvanceArgs a;
  a.next = next(live);
  a.positions = a.positions_out = slice(positions_, 1, 0, live);
  a.lengths = a.lengths_out = slice(lengths_, 0, 0, live);
  a.page_table = slice(slice(page_table_, 0, 0, live), 1, 0, pages);
  a.page_size = page_size;
  a.ids_out = slice(ids_, 0, 0, live);
  a.slots_out = slice(slots_, 0, 0, live);
  return a;
}

Step DecodeState::step(int64_t live, int64_t pages) const {
  Step s;
  s.ids = slice(ids_, 0, 0, live);
  s.positions = slice(positions_, 1, 0, live);
  s.slots = slice(slots_, 0, 0, live);
  s.cu_seqlens = slice(cu_seqlens_, 0, 0, live + 1);
  s.lengths = slice(lengths_, 0, 0, live);
  s.page_table = slice(slice(page_table_, 0, 0, live), 1, 0, pages);
  return s;
}

}  // namespace glmv
