#include "reference/model/step_graphs.h"

namespace glmv {

StepGraphs::StepGraphs(const Backend& backend, bool enabled)
    : backend_(backend), enabled_(enabled && backend.graphs), stream_(backend.make_stream()) {}

StepGraphs::~StepGraphs() {
  for (const auto& [key, entry] : entries_) {
    if (entry.graph != nullptr) backend_.graphs.free(entry.graph);
  }
  backend_.free_stream(stream_);
}

void StepGraphs::capture(Entry& entry, const std::function<TensorView()>& step) {
  backend_.graphs.begin(stream_);
  try {
    entry.result = step();
  } catch (...) {
    backend_.graphs.abandon(stream_);
    throw;
  }
  entry.graph = backend_.graphs.end(stream_);
  ++captured_;
}

TensorView StepGraphs::run(StepKey key, const std::function<TensorView()>& step) {
  Entry& entry = entries_[key];
  if (!enabled_) return step();
  if (!entry.ran) {
    const TensorView result = step();
    entry.ran = true;
    return result;
  }
  if (entry.graph == nullptr) capture(entry, step);
  backend_.graphs.launch(entry.graph, stream_);
  ++launched_;
  return entry.result;
}

}  // namespace glmv
