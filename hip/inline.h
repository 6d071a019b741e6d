#pragma once

/// For a lambda that works on values in registers, between parameters and body: were it called, not inlined, the values
/// would have to be in memory.
#define HIP_INLINE __attribute__((always_inline))
