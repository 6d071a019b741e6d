#include "simt/engine/fiber.h"

#include <sys/mman.h>
#include <unistd.h>

#include <boost/context/detail/fcontext.hpp>
#include <new>

#include "simt/engine/race_checker.h"

#if defined(__SANITIZE_ADDRESS__)
#define GLMV_SIMT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GLMV_SIMT_ASAN 1
#endif
#endif
#if GLMV_SIMT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace glmv::simt {
namespace {

namespace context = boost::context::detail;

// Sanitizers make frames several times larger.
#if GLMV_SIMT_ASAN || GLMV_SIMT_TSAN
constexpr size_t kStackBytes = size_t{256} * 1024;
#else
constexpr size_t kStackBytes = size_t{64} * 1024;
#endif

// AddressSanitizer keeps one shadow stack per stack and must be told before and after each switch.
#if GLMV_SIMT_ASAN
void leaving(void** fake_stack, const void* to, size_t bytes) { __sanitizer_start_switch_fiber(fake_stack, to, bytes); }
void arrived(void* fake_stack, const void** from, size_t* bytes) {
  __sanitizer_finish_switch_fiber(fake_stack, from, bytes);
}
void forget_frames(void* memory, size_t bytes) { __asan_unpoison_memory_region(memory, bytes); }
#else
void leaving(void** /*fake_stack*/, const void* /*to*/, size_t /*bytes*/) {}
void arrived(void* /*fake_stack*/, const void** /*from*/, size_t* /*bytes*/) {}
void forget_frames(void* /*memory*/, size_t /*bytes*/) {}
#endif

}  // namespace

// Runs bodies for ever: between two of them the fiber is idle and its stack is used again.
struct Fiber::Entry {
  static void run(context::transfer_t from) {
    auto* self = static_cast<Fiber*>(from.data);
    self->scheduler_context_ = from.fctx;
    arrived(nullptr, &self->scheduler_stack_, &self->scheduler_stack_bytes_);
    for (;;) {
      if (self->body_ != nullptr) self->body_(self->argument_);
      self->body_ = nullptr;
      self->suspend();
    }
  }
};

Fiber::Fiber() : guard_bytes_(static_cast<size_t>(sysconf(_SC_PAGESIZE))), bytes_(kStackBytes) {
  // A page below the stack that nobody may touch: an overflow stops at once instead of writing into a neighbour.
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* memory = mmap(nullptr, guard_bytes_ + bytes_, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, guard_bytes_, PROT_NONE) != 0) throw std::bad_alloc();
  memory_ = static_cast<char*>(memory);
  context_ = context::make_fcontext(memory_ + guard_bytes_ + bytes_, bytes_, &Entry::run);
  race_fiber_ = race::create_fiber();
}

Fiber::~Fiber() {
  race::destroy_fiber(race_fiber_);
  forget_frames(memory_ + guard_bytes_, bytes_);
  munmap(memory_, guard_bytes_ + bytes_);
}

void Fiber::start(Body body, void* argument) {
  body_ = body;
  argument_ = argument;
}

void Fiber::set_name(const char* name) { race::name_fiber(race_fiber_, name); }

void Fiber::resume() {
  race_scheduler_ = race::this_fiber();
  leaving(&scheduler_fake_stack_, memory_ + guard_bytes_, bytes_);
  race::switch_to(race_fiber_);
  context_ = context::jump_fcontext(context_, this).fctx;
  arrived(scheduler_fake_stack_, nullptr, nullptr);
}

void Fiber::suspend() {
  leaving(&fake_stack_, scheduler_stack_, scheduler_stack_bytes_);
  race::switch_to(race_scheduler_);
  scheduler_context_ = context::jump_fcontext(scheduler_context_, nullptr).fctx;
  arrived(fake_stack_, &scheduler_stack_, &scheduler_stack_bytes_);
}

}  // namespace glmv::simt
