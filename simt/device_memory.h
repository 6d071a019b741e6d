// The emulated device's memory: host memory of which every allocation is known.
#pragma once

#include <cstddef>
#include <string>

namespace glmv::simt {

/// Exactly `bytes`, aligned to 256 and filled with 0xFF, so that AddressSanitizer sees the first byte behind it and a
/// value read before it was written is NaN. Null for 0 bytes, no memory, or more than settings().device_bytes in all.
void* device_malloc(size_t bytes);
/// False: `p` is not the start of an allocation.
bool device_free(void* p);
/// True if `p` lies in an allocation (or just behind its last byte).
bool is_device(const void* p);
/// Number of allocations not yet freed.
size_t device_allocations();
size_t device_bytes_in_use();

/// Host memory that a captured copy may name.
void* pinned_malloc(size_t bytes);
bool pinned_free(void* p);
bool is_pinned(const void* p);

/// Why a copy cannot be done; empty: it can. `to_device`, `from_device`: what the caller said the pointers are.
std::string copy_refusal(const void* to, bool to_device, const void* from, bool from_device, size_t bytes);

}  // namespace glmv::simt
