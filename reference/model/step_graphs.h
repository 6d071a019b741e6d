// A session's stream, and its decode steps as graphs where the backend has them.
#pragma once

#include <functional>
#include <map>

#include "reference/core/backend.h"

namespace glmv {

/// What a captured step was planned for. Another key is another graph.
struct StepKey {
  int64_t live = 0;   ///< sequences
  int64_t pages = 0;  ///< columns of the page table that attention's plan has seen

  bool operator<(const StepKey& o) const { return live != o.live ? live < o.live : pages < o.pages; }
};

class StepGraphs {
 public:
  StepGraphs(const Backend& backend, bool enabled);
  ~StepGraphs();
  StepGraphs(const StepGraphs&) = delete;
  StepGraphs& operator=(const StepGraphs&) = delete;

  Stream stream() const { return stream_; }
  /// No step has run for this key.
  bool is_new(StepKey key) const { return entries_.count(key) == 0; }

  /// Does what `step` does and returns what it returned. The first time for a key it is called, so that memory grows to
  /// what it needs and kernels are loaded; the second time it is captured; from then on its graph is launched.
  /// Error: the step does something that cannot be captured (it waits, takes memory, copies from the host).
  TensorView run(StepKey key, const std::function<TensorView()>& step);

  int64_t captured() const { return captured_; }  ///< graphs
  int64_t launched() const { return launched_; }  ///< launches of them

 private:
  struct Entry {
    bool ran = false;
    void* graph = nullptr;
    TensorView result;
  };
  void capture(Entry& entry, const std::function<TensorView()>& step);

  const Backend& backend_;
  bool enabled_;
  Stream stream_;
  std::map<StepKey, Entry> entries_;
  int64_t captured_ = 0, launched_ = 0;
};

}  // namespace glmv
