// A fiber: a stack of its own on which a body runs until it suspends itself.
#pragma once

#include <cstddef>

namespace glmv::simt {

class Fiber {
 public:
  using Body = void (*)(void* argument);

  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// The next resume() runs `body` from its beginning. Only while idle.
  void start(Body body, void* argument);
  /// How the race checker's reports call it.
  void set_name(const char* name);
  /// Called by the scheduler: runs the fiber until it suspends or its body ends.
  void resume();
  /// Called on the fiber: back to the scheduler.
  void suspend();
  /// True if there is no half-run body on the stack; only then may it be destroyed.
  bool idle() const { return body_ == nullptr; }

 private:
  struct Entry;  // where a new stack starts

  char* memory_ = nullptr;  ///< guard page, then the stack
  size_t guard_bytes_ = 0;
  size_t bytes_ = 0;                   ///< of the stack
  void* context_ = nullptr;            ///< of the fiber while the scheduler runs
  void* scheduler_context_ = nullptr;  ///< of the scheduler while the fiber runs
  Body body_ = nullptr;
  void* argument_ = nullptr;

  void* race_fiber_ = nullptr;  // ThreadSanitizer's names for both sides
  void* race_scheduler_ = nullptr;
  void* fake_stack_ = nullptr;  // AddressSanitizer's
  void* scheduler_fake_stack_ = nullptr;
  const void* scheduler_stack_ = nullptr;
  size_t scheduler_stack_bytes_ = 0;
};

}  // namespace glmv::simt
