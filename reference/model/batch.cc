#include "reference/model/batch.h"

#include <algorithm>

namespace glmv {

void Batch::add(CachedSequence& sequence, KvCache& cache, const std::vector<int32_t>& new_ids,
                const std::vector<std::array<int32_t, 3>>& new_positions) {
  GLMV_CHECK(new_ids.size() == new_positions.size(), new_ids.size(), " ids, ", new_positions.size(), " positions");
  ids.insert(ids.end(), new_ids.begin(), new_ids.end());
  positions.insert(positions.end(), new_positions.begin(), new_positions.end());
  for (size_t i = 0; i < new_ids.size(); ++i, ++sequence.length) {
    const int64_t page = sequence.length / cache.page_size();
    if (page == static_cast<int64_t>(sequence.pages.size())) sequence.pages.push_back(cache.take_page());
    slots.push_back(static_cast<int32_t>(sequence.pages[static_cast<size_t>(page)] * cache.page_size() +
                                         sequence.length % cache.page_size()));
  }
  cu_seqlens.push_back(static_cast<int32_t>(ids.size()));
  lengths.push_back(static_cast<int32_t>(sequence.length));
  pages.push_back(sequence.pages);
}

TensorView upload(const Context& ctx, const std::vector<int32_t>& values) {
  TensorView v = ctx.arena.make(DType::i32, {static_cast<int64_t>(values.size())});
  ctx.backend.to_device(v.data, values.data(), values.size() * sizeof(int32_t));
  return v;
}

Step upload(const Context& ctx, const Batch& batch) {
  Step s;
  s.ids = upload(ctx, batch.ids);
  std::vector<int32_t> by_axis;
  for (size_t axis = 0; axis < 3; ++axis) {
    for (const auto& p : batch.positions) by_axis.push_back(p[axis]);
  }
  s.positions = reshape(upload(ctx, by_axis), {3, batch.tokens()});
  s.slots = upload(ctx, batch.slots);
  s.cu_seqlens = upload(ctx, batch.cu_seqlens);
  s.lengths = upload(ctx, batch.lengths);
  size_t most = 1;
  for (const auto& p : batch.pages) most = std::max(most, p.size());
  std::vector<int32_t> table;
  for (const auto& p : batch.pages) {
    table.insert(table.end(), p.begin(), p.end());
    table.resize(table.size() + most - p.size(), 0);
  }
  s.page_table = reshape(upload(ctx, table), {static_cast<int64_t>(batch.pages.size()), static_cast<int64_t>(most)});
  s.visual_rows = upload(ctx, batch.visual_rows);
  return s;
}

}  // namespace glmv
