#pragma once

#include "reference/core/exec.h"
#include "reference/core/view.h"

namespace glmv {

/// kv_write: k_pages[slot / page, slot % page] = k[t], likewise v, with slot = slots[t]. Keys are already rotated.
/// Shapes   k, v [T, Hkv, D]   slots [T]   k_pages, v_pages [pages, page, Hkv, D]
/// Types    k, v and pages f32 or bf16, all equal (f64 = gold); slots i32
/// Layout   last two axes of k and v adjacent, pages contiguous
/// Errors   Error on any mismatch above or a slot outside the pages
/// Cost     reads and writes 2·T·Hkv·D
/// Source   our paged cache; the values are those the library's cache holds
struct KvWriteArgs {
  ConstTensorView k, v;
  ConstTensorView slots;
  TensorView k_pages, v_pages;
};
void check(const KvWriteArgs&);

namespace ref {
void kv_write(const KvWriteArgs&, Exec);
}
}  // namespace glmv
