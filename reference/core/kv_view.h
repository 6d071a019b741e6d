// Keys and values as attention reads them: pages and a table that says which page holds which keys.
#pragma once

#include "reference/core/view.h"

namespace glmv {

/// Key s of sequence b lies in page page_table[b, s / page_size], row s % page_size.
/// The reference runs one page per sequence; tests and device backends also use pages of 64.
struct KvView {
  ConstTensorView k_pages;     ///< [pages, page_size, Hkv, D]
  ConstTensorView v_pages;     ///< [pages, page_size, Hkv, D]
  ConstTensorView page_table;  ///< i32 [B, max_pages]
  ConstTensorView lengths;     ///< i32 [B], keys of each sequence

  int64_t page_size() const { return k_pages.dim[1]; }
  int64_t kv_heads() const { return k_pages.dim[2]; }
  int64_t head_dim() const { return k_pages.dim[3]; }
};

}  // namespace glmv
