// The emulated GPU as the facades see it: launch a grid, and what a thread inside it can ask for.
//
// One fiber per GPU thread of a block, blocks one after another, one launch at a time (other host threads wait). Kernel
// code may call everything below "Inside a kernel"; a mistake found there stops the launch and becomes its report.
// Memory orders and conversions of types are the facades' business: they are compiled together with the kernels and so
// are visible to the sanitizers, while the engine itself is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "simt/settings.h"

namespace glmv::simt {

struct Index3 {
  unsigned x = 0, y = 0, z = 0;
};

/// Where in a kernel's source something was asked for.
struct Place {
  const char* file;
  int line;
};

/// What a GPU thread knows about itself.
struct ThreadView {
  Index3 thread_index, block_index, block_dim, grid_dim;
  unsigned lane = 0;         ///< within its warp
  unsigned warp_width = 32;  ///< lanes of a full warp
  uint64_t warp_lanes = 0;   ///< bit i: the warp has a lane i (the last warp of a block may have fewer)
};

extern constinit thread_local const ThreadView* g_current_thread;
/// The running GPU thread; only inside a kernel.
inline const ThreadView& this_thread() { return *g_current_thread; }

// ---- On the host

enum class Dialect : uint8_t { cuda, hip };

/// Lanes of a warp of the next launch.
inline int warp_width_of(Dialect d) {
  const int chosen = settings().warp_width;
  return chosen != 0 ? chosen : d == Dialect::cuda ? 32 : 64;
}

struct LaunchConfig {
  const char* kernel = "";  ///< its name, for reports
  Place place = {"", 0};    ///< of the launch
  Dialect dialect = Dialect::cuda;
  Index3 grid, block;
  size_t dynamic_shared = 0;       ///< bytes
  const void* function = nullptr;  ///< the kernel's address: key of its dynamic shared memory opt-in
};

/// A kernel call with its arguments bound.
struct KernelCall {
  void (*run)(const void* closure);
  const void* closure;
};

enum class LaunchStatus : uint8_t {
  ok,
  bad_config,  ///< refused before any thread ran: extents, shared memory
  failed,      ///< a mistake was found while it ran
};

/// Runs the whole grid before it returns. Not ok: last_report() says why.
LaunchStatus launch(const LaunchConfig& config, const KernelCall& call);

/// The report of the last failed launch or runtime call of this host thread; valid until the next one.
const char* last_report();
void set_report(std::string text);

/// Lets `function` have up to `bytes` of dynamic shared memory; false: more than the device has.
bool allow_dynamic_shared(const void* function, size_t bytes);

// ---- Inside a kernel

/// Stops the launch; the report names the running thread, `place` and `what`.
[[noreturn]] void fail(Place place, const std::string& what);

enum class Combine : uint8_t { none, add, all, any };
/// Block barrier: all threads of the block, none exited, at one place. Returns the combination of all values.
int block_barrier(const char* name, Place place, Combine combine = Combine::none, int value = 0);

/// The same for threads that stand at different barriers of that name: a block's n-th meet, wherever they are.
void block_barrier_anywhere(const char* name, Place place);

/// One lane's turn is over for now; the others run, then it goes on.
void yield();

/// __threadfence and its like: orders memory for the race checker.
void memory_fence();

/// A variable in shared memory: one static object per declaration, its address is its identity.
struct SharedVariable {
  const char* name;
  size_t bytes, alignment;
  Place place;
};
void* shared_variable(const SharedVariable& variable);

/// Start and size of the dynamic shared memory of this launch.
void* dynamic_shared();
size_t dynamic_shared_bytes();

/// True if [p, p + bytes) lies inside the shared memory of the running block.
bool is_shared(const void* p, size_t bytes);

}  // namespace glmv::simt
