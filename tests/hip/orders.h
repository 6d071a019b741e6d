// A case on the emulated device, with its threads in an order and its waves of a width of choice: the tuned kernels'
// bits must not depend on the order.
#pragma once

#include <string>

#include "reference/backends.h"
#include "reference/core/cases.h"
#include "simt/settings.h"

namespace glmv {

inline const Backend& emulated() { return find_backend("hip-emulated"); }

inline bool is_of(const Case& c, std::initializer_list<const char*> ops) {
  const std::string op = c.name.substr(0, c.name.find('/'));
  for (const char* o : ops) {
    if (op == o) return true;
  }
  return false;
}

/// What a case leaves in its outputs, all bytes; `seed` is that of a random order.
inline std::string bytes_of(const Case& c, simt::Order order, uint64_t seed) {
  const simt::ScopedSettings saved;
  simt::settings().order = order;
  simt::settings().seed = seed;
  CaseRun run(emulated(), c.dtype, c.dtype, 1);
  const CaseCall call = c.build(run, emulated().ops);
  Arena scratch(emulated());
  call(Exec{{}, {}, Reduction::blocked, &scratch});
  std::string bytes;
  for (const CaseRun::Item& item : run.items()) {
    if (!item.is_output) continue;
    const Tensor t = run.fetch(item);
    bytes.append(t.data<char>(), static_cast<size_t>(t.view.bytes()));
  }
  return bytes;
}

}  // namespace glmv
