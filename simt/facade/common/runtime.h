// Errors, copies, streams, capture and graphs of an emulated runtime, under the words of neither vendor: CUDA and HIP
// have the same error numbers and the same rules.
//
// While a stream is captured its launches and copies are kept instead of done. What a device forbids then is an error
// here too, and spoils the capture: so a step that is captured on the emulator can be captured on a device. The rules
// are those of the mode ThreadLocal, whatever mode is asked for.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "simt/device_memory.h"
#include "simt/facade/common/launch.h"

inline namespace glmv_simt_facade {

/// What a captured stream was given to do, in order.
template <class Error>
struct EmulatedGraph {
  std::vector<std::function<Error()>> nodes;
};
template <class Error>
struct EmulatedStream {
  std::unique_ptr<EmulatedGraph<Error>> captured;  ///< null: not being captured
  bool spoiled = false;                            ///< something forbidden was called
};
template <class Error>
struct EmulatedGraphExec {
  EmulatedGraph<Error> graph;
};

/// In the order of both vendors' enumerations.
enum class CopyKind { host_to_host, host_to_device, device_to_host, device_to_device, guess };
enum class CaptureStatus { none, active, invalidated };

/// `Error`: the vendor's type. Calls are named in reports by the names that they are given.
template <class Error>
struct EmulatedRuntime {
  using Stream = EmulatedStream<Error>*;
  using Graph = EmulatedGraph<Error>*;
  using GraphExec = EmulatedGraphExec<Error>*;

  static constexpr Error kSuccess = Error(0), kInvalidValue = Error(1), kInvalidConfiguration = Error(9),
                         kLaunchFailure = Error(719), kCaptureUnsupported = Error(900),
                         kCaptureInvalidated = Error(901), kCaptureImplicit = Error(906);

  static inline thread_local Error last_error = kSuccess;
  static inline thread_local std::vector<Stream> captured_streams;  // those that this thread is capturing

  // ---- Errors

  static Error record(Error e) {
    if (e != kSuccess) last_error = e;
    return e;
  }
  static Error take_last_error() {
    const Error e = last_error;
    last_error = kSuccess;
    return e;
  }
  static Error refused(Error e, const std::string& why) {
    ::glmv::simt::set_report(why);
    return record(e);
  }
  static Error invalid(const std::string& why) { return refused(kInvalidValue, why); }
  static Error error_of(::glmv::simt::LaunchStatus status) {
    switch (status) {
      case ::glmv::simt::LaunchStatus::ok: return kSuccess;
      case ::glmv::simt::LaunchStatus::bad_config: return record(kInvalidConfiguration);
      case ::glmv::simt::LaunchStatus::failed: return record(kLaunchFailure);
    }
    return kLaunchFailure;
  }

  // ---- What is forbidden while a stream is captured

  static bool capturing() { return !captured_streams.empty(); }
  static bool is_captured(Stream s) { return s != nullptr && s->captured != nullptr; }

  /// An error that spoils every capture of this thread.
  static Error spoil(Error e, const std::string& why) {
    for (const Stream s : captured_streams) s->spoiled = true;
    return refused(e, why);
  }
  static Error not_while_capturing(const char* call) {
    return spoil(kCaptureUnsupported, std::string(call) + " while a stream is captured");
  }
  static Error unless_captured(const char* call) { return capturing() ? not_while_capturing(call) : kSuccess; }
  /// The default stream waits for the others, so what it is given would have to wait for the captured one.
  static Error implicit(const char* call) {
    return spoil(kCaptureImplicit, std::string(call) + " on the default stream while another is captured");
  }

  /// Done now, or when the graph of the stream is launched.
  template <class F>
  static Error now_or_kept(Stream s, const char* call, F f) {
    if (s == nullptr && capturing()) return implicit(call);
    if (!is_captured(s)) return f();
    s->captured->nodes.emplace_back(std::move(f));
    return kSuccess;
  }

  // ---- Copies

  static Error copy_now(const char* call, void* to, const void* from, size_t bytes, CopyKind kind) {
    const bool guess = kind == CopyKind::guess;
    const bool to_device =
        guess ? ::glmv::simt::is_device(to) : kind == CopyKind::host_to_device || kind == CopyKind::device_to_device;
    const bool from_device =
        guess ? ::glmv::simt::is_device(from) : kind == CopyKind::device_to_host || kind == CopyKind::device_to_device;
    const std::string why = ::glmv::simt::copy_refusal(to, to_device, from, from_device, bytes);
    if (!why.empty()) return invalid(std::string(call) + ": " + why);
    if (bytes > 0) memmove(to, from, bytes);
    return kSuccess;
  }
  static Error copy(const char* call, void* to, const void* from, size_t bytes, CopyKind kind) {
    return capturing() ? not_while_capturing(call) : copy_now(call, to, from, bytes, kind);
  }
  /// A copy in a graph reads and writes when the graph is launched: host memory must still be there then, and only
  /// pinned memory promises that; `pinned_by` returns such.
  static Error copy_on(Stream s, const char* call, const char* pinned_by, void* to, const void* from, size_t bytes,
                       CopyKind kind) {
    for (const void* p : {static_cast<const void*>(to), from}) {
      if (!is_captured(s) || ::glmv::simt::is_device(p) || ::glmv::simt::is_pinned(p)) continue;
      return spoil(kCaptureUnsupported, std::string(call) + " of host memory that " + pinned_by +
                                            " did not return while the stream is captured");
    }
    return now_or_kept(s, call, [=] { return copy_now(call, to, from, bytes, kind); });
  }
  static Error set_on(Stream s, const char* call, void* p, int value, size_t bytes) {
    return now_or_kept(s, call, [=] {
      const std::string why = ::glmv::simt::copy_refusal(p, true, p, true, bytes);
      if (!why.empty()) return invalid(std::string(call) + ": " + why);
      if (bytes > 0) memset(p, value, bytes);
      return kSuccess;
    });
  }

  // ---- Launches. As on a device, a graph has the arguments as they are now

  template <class... Params, class... Args>
  static Error launch(Stream s, const LaunchSite& site, void (*kernel)(Params...), dim3 grid, dim3 block,
                      size_t dynamic_shared, const Args&... args) {
    static_assert(sizeof...(Params) == sizeof...(Args), "one argument per kernel parameter");
    if (s == nullptr && capturing()) return implicit(site.kernel);
    if (!is_captured(s)) return error_of(run_kernel(site, kernel, grid, block, dynamic_shared, args...));
    s->captured->nodes.emplace_back([=, kept = std::tuple<Params...>(static_cast<Params>(args)...)] {
      return std::apply(
          [&](const Params&... values) {
            return error_of(run_kernel(site, kernel, grid, block, dynamic_shared, values...));
          },
          kept);
    });
    return kSuccess;
  }

  // ---- Streams, capture, graphs

  static void forget(Stream s) {
    captured_streams.erase(std::remove(captured_streams.begin(), captured_streams.end(), s), captured_streams.end());
  }
  static Error destroy(Stream s) {
    forget(s);
    return delete s, kSuccess;
  }
  static Error begin_capture(const char* call, Stream s) {
    if (s == nullptr) return refused(kCaptureUnsupported, "the default stream is not captured");
    if (s->captured) return invalid(std::string(call) + " of a stream that is captured already");
    s->captured = std::make_unique<EmulatedGraph<Error>>();
    s->spoiled = false;
    captured_streams.push_back(s);
    return kSuccess;
  }
  static CaptureStatus status_of(Stream s) {
    if (!is_captured(s)) return CaptureStatus::none;
    return s->spoiled ? CaptureStatus::invalidated : CaptureStatus::active;
  }
  /// The graph; null and an error if something forbidden was called meanwhile (the report is still that call's).
  static Error end_capture(const char* call, Stream s, Graph* graph) {
    *graph = nullptr;
    if (!is_captured(s)) return invalid(std::string(call) + " of a stream that is not captured");
    forget(s);
    std::unique_ptr<EmulatedGraph<Error>> captured = std::move(s->captured);
    if (s->spoiled) return record(kCaptureInvalidated);
    *graph = captured.release();
    return kSuccess;
  }
  /// Runs the nodes in order, up to the first that fails.
  static Error launch_graph(const char* call, GraphExec exec) {
    if (capturing()) return not_while_capturing(call);
    for (const auto& node : exec->graph.nodes) {
      if (const Error e = node(); e != kSuccess) return e;
    }
    return kSuccess;
  }
  /// Nodes there are; `nodes` must be null.
  static Error count_nodes(const char* call, Graph graph, const void* nodes, size_t* count) {
    if (nodes != nullptr) return invalid(std::string(call) + ": nodes themselves are not emulated");
    return *count = graph->nodes.size(), kSuccess;
  }
};

}  // namespace glmv_simt_facade
