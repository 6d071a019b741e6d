#include "bench/timer.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "bench/machine.h"
#include "reference/core/parallel.h"

namespace glmv::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kGraphCalls = 20;
constexpr double kShort = 20e-6;  // seconds: below it the launch is a visible part of a call

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

std::string_view name_of(CacheState state) {
  switch (state) {
    case CacheState::cold: return "cold";
    case CacheState::rotate: return "rotate";
    case CacheState::warm: return "warm";
  }
  return "";
}

CacheState cache_state(const std::string& word) {
  for (const CacheState s : {CacheState::cold, CacheState::rotate, CacheState::warm}) {
    if (word == name_of(s)) return s;
  }
  usage_error("--l2 ", word, ": cold, rotate or warm is wanted");
}

Flusher::Flusher(const Backend& backend) : backend_(backend), bytes_(2 * cache_bytes(backend)) {
  constexpr int64_t kLeastOnDevice = int64_t{256} << 20;
  if (backend.space != Space::host && !backend.emulated) bytes_ = std::max(bytes_, kLeastOnDevice);
  data_ = backend.alloc(static_cast<size_t>(bytes_));
}

Flusher::~Flusher() { backend_.free(data_); }

void Flusher::flush(Stream stream) {
  ++turn_;  // other bytes each time, so that every line is written
  const TensorView words = make_view(data_, DType::f32, {bytes_ / 4}, backend_.space);
  if (backend_.space == Space::host || backend_.emulated) {
    constexpr int64_t kPiece = int64_t{1} << 20;
    parallel_for(bytes_ / kPiece, kPiece, [&](int64_t i) {
      std::memset(static_cast<char*>(data_) + i * kPiece, turn_, static_cast<size_t>(kPiece));
    });
    return;
  }
  GLMV_CHECK(backend_.fill != nullptr, "backend ", backend_.name, " cannot fill its memory, so no cold cache");
  backend_.fill("flush", {static_cast<double>(turn_), 0}, DType::f32, words, stream);
}

int64_t copies_for(CacheState state, const Backend& backend, int64_t bytes) {
  if (state != CacheState::rotate) return 1;
  return std::clamp<int64_t>(4 * cache_bytes(backend) / std::max<int64_t>(bytes, 1) + 1, 2, 1024);
}

Timer::Timer(Timed timed) : timed_(std::move(timed)), scratch_(*timed_.backend) {
  const Backend& b = *timed_.backend;
  GLMV_CHECK(!timed_.copies.empty(), "nothing to time");
  if (timed_.l2 == CacheState::cold) flusher_ = std::make_unique<Flusher>(b);
  if (b.make_stream != nullptr) stream_ = b.make_stream();
  if (b.events) {
    for (void*& e : events_) e = b.events.make();
  }
}

Timer::~Timer() {
  const Backend& b = *timed_.backend;
  if (graph_ != nullptr) b.graphs.free(graph_);
  for (void* e : events_) {
    if (e != nullptr) b.events.free(e);
  }
  if (b.make_stream != nullptr) b.free_stream(stream_);
}

std::string_view Timer::clock() const {
  return graph_ != nullptr ? "graph of 20" : events_[0] != nullptr ? "events" : "host";
}

Exec Timer::exec() {
  Exec e;
  e.stream = stream_;
  e.arena = &scratch_;
  return e;
}

void Timer::call() {
  timed_.copies[static_cast<size_t>(calls_) % timed_.copies.size()](exec());
  ++calls_;
}

double Timer::warm_up(int calls) {
  double fastest = 1e9;
  for (int i = 0; i < calls; ++i) fastest = std::min(fastest, timed_call());
  return fastest;
}

bool Timer::wants_graph(double seconds) const {
  return seconds < kShort && timed_.backend->graphs && !timed_.backend->emulated;
}

void Timer::use_graph(std::vector<CaseCall> more_copies) {
  const Backend& b = *timed_.backend;
  for (CaseCall& c : more_copies) timed_.copies.push_back(std::move(c));
  warm_up(static_cast<int>(timed_.copies.size()));  // nothing may take memory while it is captured
  b.graphs.begin(stream_);
  try {
    for (int i = 0; i < kGraphCalls; ++i) call();
  } catch (...) {
    b.graphs.abandon(stream_);
    throw;
  }
  graph_ = b.graphs.end(stream_);
}

double Timer::timed_call() {
  const Backend& b = *timed_.backend;
  if (events_[0] != nullptr) {
    b.events.record(events_[0], stream_);
    call();
    b.events.record(events_[1], stream_);
    return b.events.seconds(events_[0], events_[1]);
  }
  if (b.sync != nullptr) b.sync(stream_);
  const auto start = Clock::now();
  call();
  if (b.sync != nullptr) b.sync(stream_);
  return since(start);
}

double Timer::timed_graph() {
  const Backend& b = *timed_.backend;
  double seconds = 0;
  if (events_[0] != nullptr) {
    b.events.record(events_[0], stream_);
    b.graphs.launch(graph_, stream_);
    b.events.record(events_[1], stream_);
    seconds = b.events.seconds(events_[0], events_[1]);
  } else {
    const auto start = Clock::now();
    b.graphs.launch(graph_, stream_);
    b.sync(stream_);
    seconds = since(start);
  }
  calls_ += kGraphCalls;
  return seconds / kGraphCalls;
}

double Timer::sample() {
  if (flusher_ && graph_ == nullptr) {
    const auto start = Clock::now();
    flusher_->flush(stream_);
    if (timed_.backend->sync != nullptr) timed_.backend->sync(stream_);
    flushes_.push_back(since(start));
  }
  const int64_t before = preemptions();
  const double seconds = graph_ != nullptr ? timed_graph() : timed_call();
  preempted_ = preemptions() > before;
  return seconds;
}

}  // namespace glmv::bench
