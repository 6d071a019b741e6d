#include "simt/device_memory.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>

#include "reference/core/error.h"
#include "simt/settings.h"

namespace glmv::simt {
namespace {

constexpr size_t kAlignment = 256;  // what cudaMalloc promises

struct Allocation {
  size_t bytes;
};

struct Memory {
  std::mutex lock;
  std::map<uintptr_t, Allocation> allocations, pinned;  // by address
  size_t bytes = 0;                                     // of all device allocations
};

Memory& memory() {
  static Memory m;
  return m;
}

uintptr_t address(const void* p) { return reinterpret_cast<uintptr_t>(p); }

// Bytes from `p` to the end of its allocation; -1: not in one.
int64_t bytes_from(const void* p, std::map<uintptr_t, Allocation> Memory::*kind = &Memory::allocations) {
  Memory& m = memory();
  const std::lock_guard<std::mutex> guard(m.lock);
  auto next = (m.*kind).upper_bound(address(p));
  if (next == (m.*kind).begin()) return -1;
  --next;
  const uintptr_t offset = address(p) - next->first;
  return offset <= next->second.bytes ? static_cast<int64_t>(next->second.bytes - offset) : -1;
}

std::string side_refusal(const char* side, const void* p, bool device, size_t bytes) {
  const int64_t room = bytes_from(p);
  if (!device) return room > 0 ? concat("the ", side, ' ', p, " is device memory, not host memory") : "";
  if (room < 0) return concat("the ", side, ' ', p, " is not device memory");
  if (static_cast<uint64_t>(room) >= bytes) return "";
  return concat("the ", side, " has ", room, " bytes to the end of its allocation, the copy ", bytes);
}

}  // namespace

void* device_malloc(size_t bytes) {
  void* p = nullptr;
  Memory& m = memory();
  const std::lock_guard<std::mutex> guard(m.lock);
  if (bytes == 0 || bytes > settings().device_bytes || m.bytes > settings().device_bytes - bytes) return nullptr;
  if (posix_memalign(&p, kAlignment, bytes) != 0) return nullptr;
  memset(p, 0xFF, bytes);
  m.allocations[address(p)] = {bytes};
  m.bytes += bytes;
  return p;
}

bool device_free(void* p) {
  Memory& m = memory();
  const std::lock_guard<std::mutex> guard(m.lock);
  const auto found = m.allocations.find(address(p));
  if (found == m.allocations.end()) return false;
  m.bytes -= found->second.bytes;
  m.allocations.erase(found);
  std::free(p);
  return true;
}

bool is_device(const void* p) { return bytes_from(p) >= 0; }

size_t device_allocations() {
  Memory& m = memory();
  const std::lock_guard<std::mutex> guard(m.lock);
  return m.allocations.size();
}

size_t device_bytes_in_use() {
  Memory& m = memory();
  const std::lock_guard<std::mutex> guard(m.lock);
  return m.bytes;
}

void* pinned_malloc(size_t bytes) {
  void* p = std::malloc(bytes == 0 ? 1 : bytes);
  if (p == nullptr) return nullptr;
  Memory& m = memory();
  const std::lock_guard<std::mutex> guard(m.lock);
  m.pinned[address(p)] = {bytes};
  return p;
}

bool pinned_free(void* p) {
  Memory& m = memory();
  const std::lock_guard<std::mutex> guard(m.lock);
  if (m.pinned.erase(address(p)) == 0) return false;
  std::free(p);
  return true;
}

bool is_pinned(const void* p) { return bytes_from(p, &Memory::pinned) >= 0; }

std::string copy_refusal(const void* to, bool to_device, const void* from, bool from_device, size_t bytes) {
  if (bytes == 0) return "";
  std::string why = side_refusal("destination", to, to_device, bytes);
  return why.empty() ? side_refusal("source", from, from_device, bytes) : why;
}

}  // namespace glmv::simt
