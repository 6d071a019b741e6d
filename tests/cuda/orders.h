// A case on the emulated device, with its threads in an order of choice: the tuned kernels' bits must not depend on it.
#pragma once

#include <string>

#include "reference/backends.h"
#include "reference/core/cases.h"
#include "simt/settings.h"

namespace glmv {

inline const Backend& emulated() { return find_backend("cuda-emulated"); }

/// What a case leaves in its outputs, all bytes; `seed` is that of a random order.
inline std::string bytes_of(const Case& c, simt::Order order, uint64_t seed, const Backend& backend = emulated()) {
  const simt::ScopedSettings saved;
  simt::settings().order = order;
  simt::settings().seed = seed;
  CaseRun run(backend, c.dtype, c.dtype, 1);
  const CaseCall call = c.build(run, backend.ops);
  Arena scratch(backend);
  call(Exec{{}, {}, Reduction::blocked, &scratch});
  backend.sync({});
  std::string bytes;
  for (const CaseRun::Item& item : run.items()) {
    if (!item.is_output) continue;
    const Tensor t = run.fetch(item);
    bytes.append(t.data<char>(), static_cast<size_t>(t.view.bytes()));
  }
  return bytes;
}

}  // namespace glmv
