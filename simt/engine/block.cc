#include "simt/engine/block.h"

#include <algorithm>
#include <exception>

#include "simt/engine/race_checker.h"
#include "simt/engine/report.h"

namespace glmv::simt {

constinit thread_local const ThreadView* g_current_thread = nullptr;
constinit thread_local Block* g_block = nullptr;

namespace {

// What all threads release when they end and the host acquires after the launch: no order between blocks.
char g_end_sync;

Index3 thread_index_of(unsigned index, Index3 dim) {
  return {index % dim.x, index / dim.x % dim.y, index / dim.x / dim.y};
}

}  // namespace

void FiberPool::reserve(size_t count) {
  while (fibers_.size() < count) fibers_.push_back(std::make_unique<Fiber>());
}

size_t Block::sync_objects(size_t threads) { return kFirstWarpSync + (threads + 31) / 32 * kMaxWarpWidth; }

Block::Block(const LaunchConfig& config, const KernelCall& call, FiberPool& fibers, SharedMemory& shared)
    : config_(config), call_(call), fibers_(fibers), shared_(shared) {
  const unsigned count = config.block.x * config.block.y * config.block.z;
  const auto width = static_cast<unsigned>(warp_width_of(config.dialect));
  threads_.resize(count);
  warps_.resize((count + width - 1) / width);
  for (unsigned i = 0; i < count; ++i) {
    Thread& t = threads_[i];
    t.index = i;
    t.thread_index = thread_index_of(i, config.block);
    t.block_dim = config.block;
    t.grid_dim = config.grid;
    t.lane = i % width;
    t.warp = i / width;
    t.warp_width = width;
    warps_[t.warp].lanes |= uint64_t{1} << t.lane;
  }
  for (Thread& t : threads_) t.warp_lanes = warps_[t.warp].lanes;
  for (size_t w = 0; w < warps_.size(); ++w) warps_[w].first_thread = static_cast<unsigned>(w) * width;
  warpgroups_.resize(count / 128);
  fibers_.reserve(race::kChecking ? 2 * count + 1 : count);
}

// Under the race checker a fiber is what it calls a thread. If thread t of every block were the same fiber, conflicts
// between blocks at equal t would look ordered; so the fibers rotate, and two successive blocks have none in common.
Fiber& Block::fiber_for(size_t thread, size_t ordinal) {
  if (!race::kChecking) return fibers_[thread];
  const size_t count = threads_.size(), pool = 2 * count + 1;
  return fibers_[(ordinal * (count + 1) + thread) % pool];
}

void Block::reset(Index3 block_index, size_t ordinal) {
  shared_.begin_block();
  exited_ = 0;
  barrier_arrived_ = 0;
  mbarriers_.begin_block();
  unfenced_.clear();
  for (Warpgroup& g : warpgroups_) g = {};
  ready_.clear();
  for (Thread& t : threads_) {
    t.block_index = block_index;
    t.barriers = 0;
    t.fiber = &fiber_for(t.index, ordinal);
    if (race::kChecking) t.fiber->set_name(concat(name_of(t), " of ", name_of_block(block_index)).c_str());
    t.fiber->start(&Block::thread_main, &t);
    wake(t);
  }
  for (Warp& w : warps_) {
    w.exited = 0;
    for (size_t i = 0; i < w.meetings.size(); ++i) {
      const size_t warp = static_cast<size_t>(&w - warps_.data());
      w.meetings[i]->sync = shared_.sync(kFirstWarpSync + warp * kMaxWarpWidth + i);
    }
  }
  race::release(shared_.sync(kStartSync));
}

bool Block::run(Index3 block_index, size_t ordinal, Random& random) {
  reset(block_index, ordinal);
  while (!ready_.empty() && !failed_) {
    round_.swap(ready_);
    ready_.clear();
    permute_round(random);
    for (size_t i = 0; i < round_.size() && !failed_; ++i) turn(*round_[i]);
  }
  if (!failed_ && exited_ < threads_.size()) {
    failed_ = true;
    report_ = describe_deadlock(config_, threads_) + mbarriers_.describe_missing();
  }
  if (!failed_) check_end();
  if (failed_) unwind();
  return !failed_;
}

// What was begun and not ended when the last thread left.
void Block::check_end() {
  if (const TensorLoad* load = mbarriers_.forgotten(); load != nullptr) {
    report_failure(describe_failure(config_, threads_[0], load->place,
                                    "the block ends with a tensor load that nobody waited for"));
  }
  for (size_t i = 0; i < warpgroups_.size(); ++i) {
    const Warpgroup& g = warpgroups_[i];
    for (size_t warp = 1; warp < 4; ++warp) {
      if (g.count[warp] == g.count[0]) continue;
      report_failure(describe_failure(
          config_, threads_[128 * i], g.issued.back().place,
          concat("wgmma: the warps of a warpgroup issued ", g.count[0], " and ", g.count[warp], " instructions")));
    }
  }
}

void Block::note_write(const void* p, unsigned bytes) {
  if (!mbarriers_.empty()) unfenced_.push_back({static_cast<const char*>(p), bytes, self().index});
}

void Block::fence_writes() {
  const unsigned thread = self().index;
  size_t kept = 0;
  for (const UnfencedWrite& w : unfenced_) {
    if (w.thread != thread) unfenced_[kept++] = w;
  }
  unfenced_.resize(kept);
}

bool Block::has_unfenced_write(const void* p, unsigned bytes) const {
  const char* at = static_cast<const char*>(p);
  for (const UnfencedWrite& w : unfenced_) {
    if (at < w.at + w.bytes && w.at < at + bytes) return true;
  }
  return false;
}

Warpgroup* Block::warpgroup_of(const Thread& t) {
  const size_t i = t.index / 128;
  return t.warp_width == 32 && i < warpgroups_.size() ? &warpgroups_[i] : nullptr;
}

// Every thread that stands somewhere in the kernel gets one more turn, in which it leaves by an exception. So nothing
// is left on any stack, and the fibers can serve the next launch.
void Block::unwind() {
  for (Thread& t : threads_) {
    while (!t.fiber->idle()) turn(t);
  }
}

void Block::end_launch() { race::acquire(&g_end_sync); }

void Block::permute_round(Random& random) {
  switch (settings().order) {
    case Order::forward: return;
    case Order::reverse: std::reverse(round_.begin(), round_.end()); return;
    case Order::random:
      for (size_t i = round_.size(); i > 1; --i) std::swap(round_[i - 1], round_[random.below(i)]);
      return;
  }
}

void Block::turn(Thread& t) {
  running_ = &t;
  g_current_thread = &t;
  t.fiber->resume();
  running_ = nullptr;
  g_current_thread = nullptr;
}

void Block::thread_main(void* thread) {
  Thread& t = *static_cast<Thread*>(thread);
  Block& block = *g_block;
  race::acquire(block.shared_.sync(kStartSync));
  try {
    if (!block.failed_) block.call_.run(block.call_.closure);
  } catch (const Stopped&) {
  } catch (const std::exception& e) {
    const race::Ignore ignore;
    block.report_failure(describe_failure(block.config_, t, block.config_.place, concat("exception: ", e.what())));
  }
  if (!block.failed_) block.exit(t);
  race::release(&g_end_sync);
}

// A thread that ends while others still count on it is a mistake that is best reported here.
void Block::exit(Thread& t) {
  const race::Ignore ignore;
  t.state = Thread::State::exited;
  ++exited_;
  Warp& warp = warp_of(t);
  warp.exited |= uint64_t{1} << t.lane;
  if (t.copies.pending() > 0) {
    report_failure(describe_failure(
        config_, t, t.copies.first_place(),
        concat("the thread ends with ", t.copies.pending(), " asynchronous copies that nobody waited for")));
    return;
  }
  if (t.wgmmas.pending() > 0) {
    report_failure(
        describe_failure(config_, t, t.wgmmas.first_place(),
                         concat("the thread ends with ", t.wgmmas.pending(), " wgmma that nobody waited for")));
    return;
  }
  for (const auto& m : warp.meetings) {
    if (m->inside == 0 || m->complete || ((m->at.mask >> t.lane) & 1) == 0) continue;
    report_failure(describe_exited_lane(config_, t, m->at));
    return;
  }
}

void Block::suspend() {
  self().fiber->suspend();
  if (failed_) throw Stopped();
}

void Block::wait(const Waiting& at) {
  Thread& t = self();
  t.waiting = at;
  t.state = Thread::State::waiting;
  suspend();
}

void Block::wake(Thread& t) {
  t.state = Thread::State::ready;
  ready_.push_back(&t);
}

void Block::yield() {
  const race::Ignore ignore;
  wake(self());
  suspend();
}

void Block::report_failure(std::string report) {
  if (failed_) return;  // the first mistake is the one to tell
  failed_ = true;
  report_ = std::move(report);
}

void Block::stop(std::string report) {
  report_failure(std::move(report));
  throw Stopped();
}

int Block::barrier(const Waiting& at, Combine combine, int value, bool anywhere) {
  const race::Ignore ignore;
  Thread& t = self();
  if (barrier_arrived_ == 0) {
    barrier_first_ = &t;
    barrier_value_ = combine == Combine::all ? 1 : 0;
    t.waiting = at;
  } else if (const Waiting& first = barrier_first_->waiting;
             anywhere ? std::string_view(first.name) != at.name : !same_place(first, at)) {
    stop(describe_divergence(config_, *barrier_first_, barrier_first_->waiting, t, at));
  }
  switch (combine) {
    case Combine::none: break;
    case Combine::add: barrier_value_ += value != 0 ? 1 : 0; break;
    case Combine::all: barrier_value_ = barrier_value_ != 0 && value != 0 ? 1 : 0; break;
    case Combine::any: barrier_value_ = barrier_value_ != 0 || value != 0 ? 1 : 0; break;
  }
  void* sync = shared_.sync(kBarrierSync + t.barriers++ % 2);
  race::release(sync);
  if (++barrier_arrived_ == threads_.size()) {
    barrier_arrived_ = 0;
    barrier_result_ = barrier_value_;
    for (Thread& other : threads_) {
      if (&other != &t) wake(other);
    }
  } else {
    wait(at);
  }
  race::acquire(sync);
  return barrier_result_;
}

}  // namespace glmv::simt
