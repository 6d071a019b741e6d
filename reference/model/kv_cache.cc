#include "reference/model/kv_cache.h"

namespace glmv {

KvCache::KvCache(const Backend& backend, const TextConfig& config, DType dtype, int64_t pages, int64_t page_size)
    : memory_(backend), page_size_(page_size), dtype_(dtype) {
  GLMV_CHECK(pages >= 1 && page_size >= 1, pages, " pages of ", page_size);
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    k_.push_back(memory_.make(dtype, {pages, page_size, config.num_kv_heads, config.head_dim}));
    v_.push_back(memory_.make(dtype, {pages, page_size, config.num_kv_heads, config.head_dim}));
  }
  for (int64_t page = pages - 1; page >= 0; --page) free_.push_back(static_cast<int32_t>(page));
}

int32_t KvCache::take_page() {
  if (free_.empty()) input_error("the KV cache is full: no page of ", page_size_, " tokens is free");
  const int32_t page = free_.back();
  free_.pop_back();
  return page;
}

}  // namespace glmv
