// Timed calls: one sample after another, with the cache in a stated condition.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "reference/core/arena.h"
#include "reference/core/cases.h"

namespace glmv::bench {

/// What the caches hold when a timed call begins.
enum class CacheState : uint8_t {
  cold,    ///< twice the cache (256 MiB at least on a device) was written between the calls, outside the timing
  rotate,  ///< the calls go round copies of the tensors that exceed four times the cache
  warm,    ///< what the call before left there
};
std::string_view name_of(CacheState state);
/// Error (exit code 2) for another word.
CacheState cache_state(const std::string& word);

/// Writes over a stretch of a backend's memory, so that nothing else is in its cache.
class Flusher {
 public:
  explicit Flusher(const Backend& backend);
  ~Flusher();
  Flusher(const Flusher&) = delete;
  Flusher& operator=(const Flusher&) = delete;

  void flush(Stream stream);
  int64_t bytes() const { return bytes_; }

 private:
  const Backend& backend_;
  int64_t bytes_;
  void* data_;
  int turn_ = 0;
};

/// One op call with its tensors in place, or several copies of it.
struct Timed {
  const Backend* backend = nullptr;  ///< whose memory and clock
  std::vector<CaseCall> copies;      ///< one, or as many as `rotate` needs
  CacheState l2 = CacheState::cold;
};

/// How many copies of `bytes` the state needs on a backend: 1, or enough to exceed four times the cache.
int64_t copies_for(CacheState state, const Backend& backend, int64_t bytes);

class Timer {
 public:
  explicit Timer(Timed timed);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Calls it `calls` times: memory grows to what it needs, code and tables are loaded. Seconds of the fastest.
  double warm_up(int calls);
  /// True if the backend can time a kernel of that many seconds better as a graph: its launch is a visible part of it.
  bool wants_graph(double seconds) const;
  /// From now on a sample is a graph of 20 calls, divided by 20, that go round these copies and the first: no cache is
  /// emptied between them.
  void use_graph(std::vector<CaseCall> more_copies);
  /// Seconds of one call.
  double sample();
  /// True if the system took a core from one of our threads during the last one.
  bool was_preempted() const { return preempted_; }

  /// Seconds that emptying the cache took before each sample: how busy the memory was with others.
  const std::vector<double>& flush_seconds() const { return flushes_; }
  std::string_view clock() const;  ///< "host", "events", "graph of 20"
  int64_t calls() const { return calls_; }

 private:
  Exec exec();
  void call();
  double timed_call();
  double timed_graph();

  Timed timed_;
  Arena scratch_;
  std::unique_ptr<Flusher> flusher_;
  Stream stream_;
  void* events_[2] = {};
  void* graph_ = nullptr;
  int64_t calls_ = 0;
  bool preempted_ = false;
  std::vector<double> flushes_;
};

}  // namespace glmv::bench
