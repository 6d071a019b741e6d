// Cases as the tests of the emulated backends ask for them: which op, which function, which bits.
#pragma once

#include <string>

#include "reference/core/cases.h"
#include "simt/settings.h"

namespace glmv {

/// "linear" of "linear/bf16_T1_N40_K72".
inline std::string op_of(const Case& c) { return c.name.substr(0, c.name.find('/')); }

/// The function behind an op's entry, null where there is none.
inline void (*function_of(const OpTable& table, const std::string& op))() {
  void (*function)() = nullptr;
  table.for_each([&](const char* name, const auto& entry) {
    if (name == op) function = reinterpret_cast<void (*)()>(entry.run);
  });
  return function;
}

/// What a case leaves in its outputs, all bytes, with threads in an order of choice; `seed` is that of a random order.
inline std::string bytes_of(const Case& c, simt::Order order, uint64_t seed, const Backend& backend) {
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
