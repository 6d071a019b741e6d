// The paged KV cache: one pool of pages per layer, one list of pages per sequence.
#pragma once

#include <cstdint>
#include <vector>

#include "data/config.h"
#include "reference/core/arena.h"
#include "reference/core/kv_view.h"

namespace glmv {

/// Memory of all layers. `pages` pages of `page_size` tokens each; the reference runs one page per sequence.
class KvCache {
 public:
  KvCache(const Backend& backend, const TextConfig& config, DType dtype, int64_t pages, int64_t page_size);

  TensorView k(int64_t layer) const { return k_[static_cast<size_t>(layer)]; }  ///< [pages, page_size, Hkv, D]
  TensorView v(int64_t layer) const { return v_[static_cast<size_t>(layer)]; }
  int64_t page_size() const { return page_size_; }
  DType dtype() const { return dtype_; }

  /// Takes a free page; Error (exit code 3) when the cache is full.
  int32_t take_page();
  void give_back(int32_t page) { free_.push_back(page); }
  int64_t free_pages() const { return static_cast<int64_t>(free_.size()); }

  /// Bytes of all layers.
  static size_t bytes_for(const TextConfig& config, DType dtype, int64_t pages, int64_t page_size);

 private:
  Arena memory_;
  std::vector<TensorView> k_, v_;
  std::vector<int32_t> free_;
  int64_t page_size_;
  DType dtype_;
};

/// What the cache holds of one sequence.
struct CachedSequence {
  int64_t length = 0;  ///< tokens in the cache
  int64_t rope_delta = 0;
  std::vector<int32_t> pages;  ///< page i holds tokens i * page_size ..

  /// Makes room for one more token; true if that took a page. Error: as take_page.
  bool extend(KvCache& cache);
  /// Gives all pages back.
  void leave(KvCache& cache);
};

}  // namespace glmv
