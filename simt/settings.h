// What a test chooses about the emulated GPU.
#pragma once

#include <cstddef>
#include <cstdint>

namespace glmv::simt {

/// In which order ready threads, and the blocks of a grid, get their turn. A correct kernel gives the same result in
/// all.
enum class Order : uint8_t { forward, reverse, random };

/// Bytes of shared memory one block may have.
struct SharedLimits {
  size_t fixed;  ///< declared in the kernel (GPU_SHARED), and everything together without an opt-in
  size_t total;  ///< fixed and dynamic together; above `fixed` CUDA wants cudaFuncSetAttribute
};

struct LaunchConfig;

struct Settings {
  int warp_width = 0;  ///< lanes of a warp (wave): 32 or 64; 0 = 32 for CUDA, which knows no other, and 64 for HIP
  Order order = Order::forward;
  uint64_t seed = 0;  ///< of Order::random; the same seed gives the same order
  SharedLimits cuda = {size_t{48} * 1024, size_t{227} * 1024};  ///< H100
  size_t device_bytes = size_t{4} << 30;                        ///< memory of the device
  SharedLimits hip = {size_t{64} * 1024, size_t{64} * 1024};    ///< LDS of CDNA and RDNA
  /// Told of every launch that starts: for a test that asks what ran.
  void (*on_launch)(const LaunchConfig&) = nullptr;
};

/// The settings the next launch uses. Change them between launches only.
Settings& settings();

/// Restores the settings at the end of a scope.
class ScopedSettings {
 public:
  ScopedSettings() : saved_(settings()) {}
  explicit ScopedSettings(const Settings& other) : ScopedSettings() { settings() = other; }
  ~ScopedSettings() { settings() = saved_; }
  ScopedSettings(const ScopedSettings&) = delete;
  ScopedSettings& operator=(const ScopedSettings&) = delete;

 private:
  Settings saved_;
};

}  // namespace glmv::simt
