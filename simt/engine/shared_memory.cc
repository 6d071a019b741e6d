#include "simt/engine/shared_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "simt/engine/race_checker.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#endif

namespace glmv::simt {
namespace {

constexpr size_t kRedZone = 128;  // at least
constexpr size_t kLine = 256;     // where layout starts anew
constexpr size_t kMaxVariables = 64;

size_t round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

}  // namespace

SharedMemory::~SharedMemory() { free(); }

void SharedMemory::begin_launch(SharedLimits limits, size_t dynamic_bytes, size_t sync_objects) {
  entries_.clear();
  declared_bytes_ = 0;
  declared_limit_ = std::min(limits.fixed, limits.total - dynamic_bytes);
  dynamic_bytes_ = dynamic_bytes;
  shared_at_ = round_up(sync_objects * kSyncBytes, kLine);
  dynamic_at_ = shared_at_ + kDynamicAlignment;
  used_ = dynamic_at_ + dynamic_bytes;
  room_ = used_ + kLine + declared_limit_ + kMaxVariables * (kRedZone + 2 * kLine);
  if (race::kChecking) return;  // every block allocates its own
  if (room_ > bytes_) {
    free();
    allocate(room_);
  }
  open(0, bytes_);
  memset(data_ + shared_at_, 0xFF, bytes_ - shared_at_);
  guard(shared_at_, bytes_);
  open(dynamic_at_, dynamic_bytes_);
}

// What lies between the variables is filled and guarded once per launch: no correct kernel writes there.
void SharedMemory::begin_block() {
  if (race::kChecking) {
    free();
    allocate(room_);
  }
  memset(data_ + dynamic_at_, 0xFF, dynamic_bytes_);
  for (const Entry& e : entries_) memset(data_ + e.at, 0xFF, e.variable->bytes);
}

void* SharedMemory::find_or_add(const SharedVariable& variable) {
  for (const Entry& e : entries_) {
    if (e.variable == &variable) return data_ + e.at;
  }
  declared_bytes_ += round_up(variable.bytes, kVariableAlignment);
  if (declared_bytes_ > declared_limit_ || entries_.size() == kMaxVariables) return nullptr;
  const size_t line = round_up(used_ + kRedZone, kLine);
  const size_t at = line + std::max(variable.alignment, kVariableAlignment);
  entries_.push_back({&variable, at});
  open(at, variable.bytes);
  memset(data_ + at, 0xFF, variable.bytes);
  used_ = at + variable.bytes;
  return data_ + at;
}

bool SharedMemory::contains(const void* p, size_t bytes) const {
  const char* begin = static_cast<const char*>(p);
  return begin >= data_ + shared_at_ && begin + bytes <= data_ + bytes_;
}

// Straight from the kernel of the machine: unmapping is what makes ThreadSanitizer forget an address range.
void SharedMemory::allocate(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  data_ = static_cast<char*>(p);
  bytes_ = bytes;
}

void SharedMemory::free() {
  if (data_ == nullptr) return;
  open(0, bytes_);
  munmap(data_, bytes_);
  data_ = nullptr;
  bytes_ = 0;
}

#ifdef ASAN_POISON_MEMORY_REGION
void SharedMemory::guard(size_t begin, size_t end) const { ASAN_POISON_MEMORY_REGION(data_ + begin, end - begin); }
void SharedMemory::open(size_t at, size_t bytes) const { ASAN_UNPOISON_MEMORY_REGION(data_ + at, bytes); }
#else
void SharedMemory::guard(size_t /*begin*/, size_t /*end*/) const {}
void SharedMemory::open(size_t /*at*/, size_t /*bytes*/) const {}
#endif

}  // namespace glmv::simt
