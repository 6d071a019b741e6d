// The shared memory of the running block, and the sync objects that live as long as it.
#pragma once

#include <vector>

#include "simt/engine.h"

namespace glmv::simt {

/// One arena, filled with 0xFF (NaN in every float type) when a block starts. Declared variables keep their place over
/// the blocks of a launch. Under AddressSanitizer everything between them is a red zone; under ThreadSanitizer every
/// block gets fresh memory, so that nothing of the last block's history is left in it.
class SharedMemory {
 public:
  // What a kernel is promised (simt/gpu.h), and on purpose no more: a variable never lies on a multiple of 32 unless
  // its type asks for that, dynamic memory never on one of 256.
  static constexpr size_t kVariableAlignment = 16, kDynamicAlignment = 128;

  ~SharedMemory();
  /// Room for one launch. `sync_objects`: how many addresses sync() can give.
  void begin_launch(SharedLimits limits, size_t dynamic_bytes, size_t sync_objects);
  void begin_block();

  /// Where `variable` lies; null: its launch would exceed the limit of declared shared memory.
  void* find_or_add(const SharedVariable& variable);
  void* dynamic() const { return data_ + dynamic_at_; }
  size_t dynamic_bytes() const { return dynamic_bytes_; }
  size_t declared_bytes() const { return declared_bytes_; }
  /// The limit that `find_or_add` enforces.
  size_t declared_limit() const { return declared_limit_; }
  bool contains(const void* p, size_t bytes) const;
  /// Byte addresses from a multiple of 1024 on, as instructions name shared memory.
  uint32_t address_of(const void* p) const { return static_cast<uint32_t>(static_cast<const char*>(p) - data_); }
  const void* at(uint32_t address) const { return data_ + address; }
  void* sync(size_t index) const { return data_ + index * kSyncBytes; }

 private:
  static constexpr size_t kSyncBytes = 8;
  struct Entry {
    const SharedVariable* variable;
    size_t at;
  };

  void allocate(size_t bytes);
  void free();
  void guard(size_t begin, size_t end) const;
  void open(size_t at, size_t bytes) const;

  char* data_ = nullptr;
  size_t bytes_ = 0;
  size_t room_ = 0;  ///< bytes that the launch may need
  size_t used_ = 0;  ///< end of the last variable
  size_t shared_at_ = 0;
  size_t dynamic_at_ = 0;
  size_t dynamic_bytes_ = 0;
  size_t declared_bytes_ = 0;
  size_t declared_limit_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace glmv::simt
