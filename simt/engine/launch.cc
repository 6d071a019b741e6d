// From a launch to its blocks, and what a running thread asks of the engine.
#include <algorithm>
#include <map>
#include <mutex>

#include "simt/engine/block.h"
#include "simt/engine/race_checker.h"
#include "simt/engine/report.h"

namespace glmv::simt {
namespace {

constexpr size_t kMaxThreads = 1024;
constexpr size_t kMaxGridX = 0x7fffffff, kMaxGridYz = 65535;

struct Machine {
  std::mutex one_launch;
  FiberPool fibers;
  SharedMemory shared;
  std::map<const void*, SharedLimits> opted_in;  // dynamic shared memory by kernel; a map of SharedLimits is ours alone
};

thread_local std::string g_report;

Machine& machine() {
  static Machine m;
  return m;
}

/// What one launch may have of shared memory.
struct Allowed {
  SharedLimits limits;
  size_t dynamic;
  bool opted_in;
};

// Without an opt-in everything together must fit in what a kernel may declare.
Allowed allowed_to(const LaunchConfig& c) {
  SharedLimits limits = c.dialect == Dialect::cuda ? settings().cuda : settings().hip;
  const auto opted = machine().opted_in.find(c.function);
  if (opted != machine().opted_in.end()) return {limits, std::min(limits.total, opted->second.total), true};
  limits.total = limits.fixed;
  return {limits, limits.fixed, false};
}

size_t volume(Index3 i) { return size_t{i.x} * i.y * i.z; }

std::string extents(Index3 i) { return concat('(', i.x, ',', i.y, ',', i.z, ')'); }

// Why the launch cannot run at all; empty: it can.
std::string refusal(const LaunchConfig& c) {
  const size_t threads = volume(c.block);
  if (threads == 0 || threads > kMaxThreads) {
    return concat("a block of ", extents(c.block), " threads: must be 1 to ", kMaxThreads);
  }
  if (volume(c.grid) == 0 || c.grid.x > kMaxGridX || c.grid.y > kMaxGridYz || c.grid.z > kMaxGridYz) {
    return concat("a grid of ", extents(c.grid), " blocks: every extent must be at least 1, y and z at most ",
                  kMaxGridYz);
  }
  if (c.dialect == Dialect::cuda && warp_width_of(c.dialect) != 32) {
    return concat("CUDA kernels need a warp width of 32, not ", settings().warp_width);
  }
  const Allowed allowed = allowed_to(c);
  if (c.dynamic_shared > allowed.dynamic) {
    return concat(c.dynamic_shared, " bytes of dynamic shared memory exceed the limit of ", allowed.dynamic,
                  allowed.opted_in ? " this kernel opted in for" : " (no opt-in for this kernel)");
  }
  return "";
}

unsigned sequence_number(size_t i, size_t count, const unsigned* shuffled) {
  switch (settings().order) {
    case Order::forward: return static_cast<unsigned>(i);
    case Order::reverse: return static_cast<unsigned>(count - 1 - i);
    case Order::random: return shuffled[i];
  }
  return 0;
}

std::unique_ptr<unsigned[]> shuffled_blocks(size_t count, Random& random) {
  if (settings().order != Order::random) return nullptr;
  std::unique_ptr<unsigned[]> order(new unsigned[count]);
  for (size_t i = 0; i < count; ++i) order[i] = static_cast<unsigned>(i);
  for (size_t i = count; i > 1; --i) {
    const size_t j = random.below(i);
    const unsigned kept = order[i - 1];
    order[i - 1] = order[j];
    order[j] = kept;
  }
  return order;
}

bool run_blocks(const LaunchConfig& config, Block& block) {
  Random random(settings().seed);
  const size_t count = volume(config.grid);
  const auto order = shuffled_blocks(count, random);
  for (size_t i = 0; i < count; ++i) {
    const unsigned b = sequence_number(i, count, order.get());
    const Index3 at = {b % config.grid.x, b / config.grid.x % config.grid.y, b / config.grid.x / config.grid.y};
    if (!block.run(at, i, random)) return false;
  }
  return true;
}

}  // namespace

Settings& settings() {
  static Settings s;
  return s;
}

const char* last_report() { return g_report.c_str(); }
void set_report(std::string text) { g_report = std::move(text); }

bool allow_dynamic_shared(const void* function, size_t bytes) {
  if (bytes > settings().cuda.total) {
    set_report(concat(bytes, " bytes of dynamic shared memory exceed the device's limit of ", settings().cuda.total));
    return false;
  }
  const std::lock_guard<std::mutex> lock(machine().one_launch);
  machine().opted_in[function] = {0, bytes};
  return true;
}

LaunchStatus launch(const LaunchConfig& config, const KernelCall& call) {
  Machine& m = machine();
  if (g_block != nullptr) fail(config.place, "a kernel cannot launch a kernel");
  const std::lock_guard<std::mutex> lock(m.one_launch);
  if (const std::string why = refusal(config); !why.empty()) {
    set_report(concat(name_of(config.place), ": cannot launch ", config.kernel, ": ", why));
    return LaunchStatus::bad_config;
  }
  if (settings().on_launch != nullptr) settings().on_launch(config);
  m.shared.begin_launch(allowed_to(config).limits, config.dynamic_shared, Block::sync_objects(volume(config.block)));
  Block block(config, call, m.fibers, m.shared);
  g_block = &block;
  const bool good = run_blocks(config, block);
  Block::end_launch();
  g_block = nullptr;
  if (good) return LaunchStatus::ok;
  set_report(block.report());
  return LaunchStatus::failed;
}

void fail(Place place, const std::string& what) {
  const race::Ignore ignore;
  g_block->stop(describe_failure(g_block->config(), g_block->self(), place, what));
}

int block_barrier(const char* name, Place place, Combine combine, int value) {
  return g_block->barrier({name, place, 0}, combine, value);
}

void block_barrier_anywhere(const char* name, Place place) {
  g_block->barrier({name, place, 0}, Combine::none, 0, true);
}

void yield() { g_block->yield(); }

// Every fence is ordered after every earlier one. That is more order than hardware gives (there it needs a flag that is
// written before one fence and read after the other), so some races between blocks that both fence stay unseen.
void memory_fence() {
  static char sync;
  race::acquire(&sync);
  race::release(&sync);
}

void* shared_variable(const SharedVariable& variable) {
  const race::Ignore ignore;
  SharedMemory& shared = g_block->shared();
  void* p = shared.find_or_add(variable);
  if (p == nullptr) {
    fail(variable.place,
         concat("shared memory: with ", variable.name, " (", variable.bytes, " bytes) this kernel declares ",
                shared.declared_bytes(), " bytes, the limit is ", shared.declared_limit()));
  }
  return p;
}

void* dynamic_shared() { return g_block->shared().dynamic(); }
size_t dynamic_shared_bytes() { return g_block->shared().dynamic_bytes(); }
bool is_shared(const void* p, size_t bytes) { return g_block->shared().contains(p, bytes); }

}  // namespace glmv::simt
