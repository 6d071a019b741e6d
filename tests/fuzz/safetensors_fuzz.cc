// Any bytes are a safetensors file or an Error: nothing else may leave SafetensorsFile::open, and every view it
// hands out must be readable to its last byte.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "data/safetensors.h"

namespace {

/// The input as a file that never reaches a disk.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (fd_ < 0 || ::write(fd_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

void read_all(const glmv::SafetensorsFile& file, size_t size) {
  size_t total = 0;
  unsigned sum = 0;
  for (const auto& [name, view] : file.tensors()) {
    const auto* bytes = static_cast<const unsigned char*>(view.data);
    if (reinterpret_cast<uintptr_t>(bytes) % glmv::size_of(view.dtype) != 0) std::abort();
    for (int64_t i = 0; i < view.bytes(); ++i) sum += bytes[i];
    total += static_cast<size_t>(view.bytes());
  }
  [[maybe_unused]] volatile unsigned keep = sum;  // the reads are what is tested
  if (total > size) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile input(data, size);
  try {
    read_all(glmv::SafetensorsFile::open(input.path()), size);
  } catch (const glmv::Error& error) {
    if (error.code() != glmv::ExitCode::bad_input) std::abort();
  }
  return 0;
}
