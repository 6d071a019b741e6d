#include "reference/model/kv_cache.h"

namespace glmv {
namespace {

size_t bytes_wanted(const Backend& backend, const TextConfig& config, DType dtype, int64_t pages, int64_t page_size) {
  GLMV_CHECK(pages >= 1 && page_size >= 1, pages, " pages of ", page_size);
  const size_t bytes = KvCache::bytes_for(config, dtype, pages, page_size);
  check_memory(backend, bytes,
               concat("a KV cache of ", pages, pages == 1 ? " page of " : " pages of ", page_size,
                      page_size == 1 ? " token" : " tokens each"));
  return bytes;
}

}  // namespace

size_t KvCache::bytes_for(const TextConfig& config, DType dtype, int64_t pages, int64_t page_size) {
  const auto values = static_cast<size_t>(pages * page_size * config.num_kv_heads * config.head_dim);
  return 2 * static_cast<size_t>(config.num_layers) * Arena::taken_by(values * size_of(dtype));
}

KvCache::KvCache(const Backend& backend, const TextConfig& config, DType dtype, int64_t pages, int64_t page_size)
    : memory_(backend, bytes_wanted(backend, config, dtype, pages, page_size)), page_size_(page_size), dtype_(dtype) {
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

bool CachedSequence::extend(KvCache& cache) {
  const bool full = length == static_cast<int64_t>(pages.size()) * cache.page_size();
  if (full) pages.push_back(cache.take_page());
  return full;
}

void CachedSequence::leave(KvCache& cache) {
  for (const int32_t page : pages) cache.give_back(page);
  pages.clear();
  length = 0;
}

}  // namespace glmv
