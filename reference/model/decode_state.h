// What a decode step reads, in the backend's memory at addresses that never change: a captured step finds it there.
#pragma once

#include "reference/advance.h"
#include "reference/model/batch.h"

namespace glmv {

/// One live sequence as the host knows it before a step.
struct DecodeRow {
  int32_t token = 0;     ///< the newest one, which the step feeds
  int32_t position = 0;  ///< of the token before, the same on all axes
  int32_t length = 0;    ///< tokens in the cache
};

/// Room for `sequences` rows of `pages` pages each. The rows are written when the set of sequences changes; in between
/// a step makes the next one's by itself (advance, sample).
class DecodeState {
 public:
  /// The context's arena must live as long as this.
  DecodeState(const Context& ctx, int64_t sequences, int64_t pages);

  /// Both behind the stream's work.
  void write_rows(const Context& ctx, const std::vector<DecodeRow>& rows) const;
  void write_pages(const Context& ctx, const std::vector<const std::vector<int32_t>*>& pages_of_row) const;

  /// The first `live` rows and `pages` columns of the page table. Plans look at the columns, never at lengths, so a
  /// step captured with them holds for every length that they have room for.
  AdvanceArgs advance(int64_t live, int64_t pages, int64_t page_size) const;
  Step step(int64_t live, int64_t pages) const;
  /// i32 [live]: what was chosen after the latest step.
  TensorView next(int64_t live) const { return slice(next_, 0, 0, live); }

  int64_t sequences() const { return next_.dim[0]; }
  int64_t pages() const { return page_table_.dim[1]; }

 private:
  TensorView rows_;  // i32 [5, sequences]: next, positions on three axes, lengths
  TensorView next_, positions_, lengths_;
  TensorView ids_, slots_, cu_seqlens_, page_table_;
};

}  // namespace glmv
