// What a backend reaches at most, measured here and now: the denominators of the roofline.
#pragma once

#include "bench/roofline.h"
#include "reference/core/backend.h"

namespace glmv::bench {

struct PeakOptions {
  bool quick = false;  ///< a tenth of the work: for a tour, not for a result
};

/// Read and copy of memory far larger than the cache, products of random square matrices in f32 and bf16 through the
/// backend's `linear`, each the best of several; on the host also plain fused multiply-adds, if they are faster. What
/// the backend lacks stays 0; an emulated one has no peaks, for its
/// time is not a device's.
Peaks measure_peaks(const Backend& backend, const PeakOptions& options = {});

}  // namespace glmv::bench
