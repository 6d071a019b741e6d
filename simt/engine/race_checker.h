// What the engine tells ThreadSanitizer. Empty in every other build.
//
// GPU threads are TSan fibers, and a switch between them orders nothing. What does order memory is said here: barriers
// of a block or a warp release a sync object before they wait and acquire it after. A sync object is any address; it
// may serve the next generation only when all threads of the last one have acquired it, or a thread that is late also
// acquires what fast threads released afterwards, and the missing barrier it should reveal stays unseen.
#pragma once

#if GLMV_SIMT_TSAN
#include <sanitizer/tsan_interface.h>
extern "C" {  // the run-time library has them, its header does not
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace glmv::simt::race {

#if GLMV_SIMT_TSAN
constexpr bool kChecking = true;
inline void* create_fiber() { return __tsan_create_fiber(0); }
inline void* this_fiber() { return __tsan_get_current_fiber(); }
inline void switch_to(void* fiber) { __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync); }
/// What a report calls the fiber.
inline void name_fiber(void* fiber, const char* name) { __tsan_set_fiber_name(fiber, name); }
inline void destroy_fiber(void* fiber) { __tsan_destroy_fiber(fiber); }
inline void release(void* sync) { __tsan_release(sync); }
inline void acquire(void* sync) { __tsan_acquire(sync); }

/// While it lives, what the running fiber does is not looked at. The engine is not instrumented, but the C library's
/// functions it calls (memmove, malloc) are intercepted, so every entry from a kernel into the engine needs one.
class Ignore {
 public:
  Ignore() {
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Ignore() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  Ignore(const Ignore&) = delete;
  Ignore& operator=(const Ignore&) = delete;
};
#else
constexpr bool kChecking = false;
inline void* create_fiber() { return nullptr; }
inline void* this_fiber() { return nullptr; }
inline void switch_to(void* /*fiber*/) {}
inline void name_fiber(void* /*fiber*/, const char* /*name*/) {}
inline void destroy_fiber(void* /*fiber*/) {}
inline void release(void* /*sync*/) {}
inline void acquire(void* /*sync*/) {}
struct Ignore {
  Ignore() {}  // not defaulted: an object of this type counts as used
  ~Ignore() {}
};
#endif

}  // namespace glmv::simt::race
