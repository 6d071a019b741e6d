// A block of GPU threads and its scheduler.
//
// The threads of one block take turns on one OS thread: each runs until it waits (barrier, warp collective) or ends.
// When nobody is ready and somebody has not ended, the block is deadlocked.
//
// Containers here hold only types of the engine. Templates over common types (vector<int>) also exist in the kernels'
// object files, where ThreadSanitizer instruments them; the linker might take that copy and report the engine itself.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "simt/engine.h"
#include "simt/engine/copy_queue.h"
#include "simt/engine/fiber.h"
#include "simt/engine/mbarriers.h"
#include "simt/engine/random.h"
#include "simt/engine/shared_memory.h"
#include "simt/engine/wgmma_queue.h"

namespace glmv::simt {

constexpr int kMaxWarpWidth = 64;

// Sync objects of a block, by index.
constexpr size_t kBarrierSync = 0;  // and 1: barriers alternate
constexpr size_t kStartSync = 2;
constexpr size_t kFirstMbarrierSync = 3;
constexpr size_t kFirstWarpSync = kFirstMbarrierSync + Mbarriers::kSyncs * Mbarriers::kMost;  // one per lane and warp

/// What a waiting thread waits for.
struct Waiting {
  const char* name = "";
  Place place = {"", 0};
  uint64_t mask = 0;  ///< lanes of a warp collective, 0 = block barrier
};

struct Thread : ThreadView {
  enum class State : uint8_t { ready, waiting, exited };
  State state = State::ready;
  unsigned index = 0;  ///< within the block
  unsigned warp = 0;
  Waiting waiting;
  unsigned barriers = 0;  ///< passed so far
  Fiber* fiber = nullptr;
  CopyQueue copies;
  WgmmaQueue wgmmas;
};

struct Operation;  // collective.h

/// What a cp.async wrote and its thread has not yet made visible to wgmma by fence.proxy.async.
struct UnfencedWrite {
  const char* at;
  unsigned bytes, thread;
};

/// What leaves a kernel when the launch has failed. Not a std::exception: it is nobody's mistake.
struct Stopped {};

/// Lanes of one warp that have arrived at a collective, or have not left it yet.
struct Meeting {
  const Operation* operation = nullptr;
  Waiting at;
  uint64_t arrived = 0;
  uint64_t inside = 0;  ///< arrived and not gone on; 0 = free for the next
  bool complete = false;
  void* slots[kMaxWarpWidth] = {};
  void* sync = nullptr;
};

struct Warp {
  uint64_t lanes = 0, exited = 0;
  unsigned first_thread = 0;
  std::vector<std::unique_ptr<Meeting>> meetings;
};

/// Fibers are kept over blocks and launches.
class FiberPool {
 public:
  void reserve(size_t count);
  Fiber& operator[](size_t i) { return *fibers_[i]; }

 private:
  std::vector<std::unique_ptr<Fiber>> fibers_;
};

class Block {
 public:
  Block(const LaunchConfig& config, const KernelCall& call, FiberPool& fibers, SharedMemory& shared);

  /// Runs one block to its end; `ordinal` counts the blocks run so far. False: report() says what is wrong.
  bool run(Index3 block_index, size_t ordinal, Random& random);
  const std::string& report() const { return report_; }
  /// After the last block: everything the threads did is ordered before what the host does next. Not between blocks.
  static void end_launch();

  // On a fiber of this block.
  Thread& self() { return *running_; }
  /// `anywhere`: threads meet at any barriers of that name, not at one place.
  int barrier(const Waiting& at, Combine combine, int value, bool anywhere = false);
  void collective(const Operation& operation, const Waiting& at, void* slot);
  void yield();
  /// Until somebody wakes the running thread; `at` says what for.
  void wait(const Waiting& at);
  void wake(Thread& t);
  /// Fails the launch and leaves the kernel of the running thread.
  [[noreturn]] void stop(std::string report);
  SharedMemory& shared() { return shared_; }
  Thread& thread_of(const Warp& warp, unsigned lane) { return threads_[warp.first_thread + lane]; }
  Warp& warp_of(const Thread& t) { return warps_[t.warp]; }
  const LaunchConfig& config() const { return config_; }
  Mbarriers& mbarriers() { return mbarriers_; }
  void* mbarrier_sync(size_t barrier, size_t which) const {
    return shared_.sync(kFirstMbarrierSync + barrier * Mbarriers::kSyncs + which);
  }
  /// Followed only where there are barriers in shared memory: other kernels have nobody to fence for.
  void note_write(const void* p, unsigned bytes);
  void fence_writes();
  bool has_unfenced_write(const void* p, unsigned bytes) const;
  /// Null: the thread is in none of four whole warps.
  Warpgroup* warpgroup_of(const Thread& t);

  /// Sync objects a launch of so many threads needs.
  static size_t sync_objects(size_t threads);

 private:
  static void thread_main(void* thread);
  void reset(Index3 block_index, size_t ordinal);
  void turn(Thread& t);
  void unwind();
  void suspend();
  void report_failure(std::string report);
  void check_end();
  void exit(Thread& t);
  void permute_round(Random& random);
  Fiber& fiber_for(size_t thread, size_t ordinal);

  Meeting& open_or_join(Warp& warp, const Operation& operation, const Waiting& at);
  Meeting& free_meeting(Warp& warp);
  void check_mask(const Warp& warp, const Waiting& at);

  LaunchConfig config_;
  KernelCall call_;
  FiberPool& fibers_;
  SharedMemory& shared_;
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::vector<Warpgroup> warpgroups_;
  Mbarriers mbarriers_;
  std::vector<UnfencedWrite> unfenced_;
  std::vector<Thread*> ready_, round_;
  Thread* running_ = nullptr;
  size_t exited_ = 0;

  // Block barrier: who came first and how many are there.
  Thread* barrier_first_ = nullptr;
  size_t barrier_arrived_ = 0;
  int barrier_value_ = 0, barrier_result_ = 0;

  bool failed_ = false;
  std::string report_;
};

/// The block that this host thread is running, null outside a kernel.
extern constinit thread_local Block* g_block;

}  // namespace glmv::simt
