#include "reference/model/batch.h"

#include <algorithm>

namespace glmv {

void Batch::add(CachedSequence& sequence, KvCache& cache, const std::vector<int32_t>& new_ids,
                const std::vector<std::array<int32_t, 3>>& new_positions) {
  GLMV_CHECK(new_ids.size() == new_positions.size(), new_ids.size(), " ids, ", new_positions.size(), " positions");
  ids.insert(ids.end(), new_ids.begin(), new_ids.end());
  positions.insert(positions.end(), new_positions.begin(), new_positions.end());
  for (size_t i = 0; i < new_ids.size(); ++i, ++sequence.length) {
    sequence.extend(cache);
    const int64_t page = sequence.length / cache.page_size();
    slots.push_back(static_cast<int32_t>(sequence.pages[static_cast<size_t>(page)] * cache.page_size() +
                                         sequence.length % cache.page_size()));
  }
  cu_seqlens.push_back(static_cast<int32_t>(ids.size()));
  lengths.push_back(static_cast<int32_t>(sequence.length));
  pages.push_back(sequence.pages);
}

TensorView upload(const Context& ctx, const std::vector<int32_t>& values) {
  TensorView v = ctx.arena.make(DType::i32, {static_cast<int64_t>(values.size())});
  ctx.backend.send(v.data, values.data(), values.size() * sizeof(int32_t), ctx.exec.stream);
  return v;
}

namespace {

/// Vectors that travel in one copy.
class Parcel {
 public:
  struct Part {
    int64_t begin, end;
  };
  Part add(const std::vector<int32_t>& values) {
    const auto begin = static_cast<int64_t>(all_.size());
    all_.insert(all_.end(), values.begin(), values.end());
    return {begin, static_cast<int64_t>(all_.size())};
  }
  void send(const Context& ctx) { memory_ = upload(ctx, all_); }
  ConstTensorView operator()(Part p) const { return slice(memory_, 0, p.begin, p.end); }

 private:
  std::vector<int32_t> all_;
  TensorView memory_;
};

std::vector<int32_t> by_axis(const std::vector<std::array<int32_t, 3>>& positions) {
  std::vector<int32_t> out;
  for (size_t axis = 0; axis < 3; ++axis) {
    for (const auto& p : positions) out.push_back(p[axis]);
  }
  return out;
}

}  // namespace

Step upload(const Context& ctx, const Batch& batch) {
  size_t most = 1;
  for (const auto& p : batch.pages) most = std::max(most, p.size());
  std::vector<int32_t> table;
  for (const auto& p : batch.pages) {
    table.insert(table.end(), p.begin(), p.end());
    table.resize(table.size() + most - p.size(), 0);
  }
  Parcel parcel;
  const auto ids = parcel.add(batch.ids), positions = parcel.add(by_axis(batch.positions)),
             slots = parcel.add(batch.slots), cu_seqlens = parcel.add(batch.cu_seqlens),
             lengths = parcel.add(batch.lengths), pages = parcel.add(table),
             visual_rows = parcel.add(batch.visual_rows), logit_rows = parcel.add(batch.logit_rows);
  parcel.send(ctx);
  Step s;
  s.ids = parcel(ids);
  s.positions = reshape(parcel(positions), {3, batch.tokens()});
  s.slots = parcel(slots);
  s.cu_seqlens = parcel(cu_seqlens);
  s.lengths = parcel(lengths);
  s.page_table = reshape(parcel(pages), {static_cast<int64_t>(batch.pages.size()), static_cast<int64_t>(most)});
  s.visual_rows = parcel(visual_rows);
  s.logit_rows = parcel(logit_rows);
  return s;
}

}  // namespace glmv
