#include "bench/timed_ops.h"

#include <algorithm>
#include <chrono>

namespace glmv::bench {
namespace {

void (*sync_inner)(Stream) = nullptr;
bool is_on = false;

std::vector<OpTime>& clocks() {
  static std::vector<OpTime> list;
  return list;
}

/// A table's entries differ in the type of their arguments, so the type says which op is meant.
template <class Args>
struct Entry {
  static inline Op<Args> inner;
  static inline size_t clock = 0;

  static void run(const Args& a, Exec e) {
    if (!is_on) return inner.run(a, e);
    const auto start = std::chrono::steady_clock::now();
    inner.run(a, e);
    if (sync_inner != nullptr) sync_inner(e.stream);
    OpTime& t = clocks()[clock];
    t.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    ++t.calls;
  }
};

template <class Args>
void wrap(const char* name, Op<Args>& op) {
  if (!op) return;
  Entry<Args>::inner = op;
  Entry<Args>::clock = clocks().size();
  clocks().push_back({name, 0, 0});
  op.run = Entry<Args>::run;
}

}  // namespace

Backend with_timed_ops(const Backend& inner) {
  Backend timed = inner;
  sync_inner = inner.sync;
  clocks().clear();
  // The table is ours to change; its walk is written once, for readers.
  timed.ops.for_each([]<class Args>(const char* name, const Op<Args>& op) { wrap(name, const_cast<Op<Args>&>(op)); });
  return timed;
}

void time_ops(bool on) {
  is_on = on;
  for (OpTime& t : clocks()) t.calls = 0, t.seconds = 0;
}

std::vector<OpTime> op_times() {
  std::vector<OpTime> called = clocks();
  std::erase_if(called, [](const OpTime& t) { return t.calls == 0; });
  return called;
}

}  // namespace glmv::bench
