// Any bytes are a file of tensors or an Error, and so is any pickle inside an archive that is otherwise sound (there a
// checksum would stop nearly every mutation at the door). Every view must be readable to its last element.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "crosscheck/adapters/foreign.h"
#include "tests/zip_writer.h"

namespace {

/// The input as a file that never reaches a disk.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (fd_ < 0 || ::write(fd_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

void touch_all(const glmv::ForeignTensors& file) {
  for (const auto& [name, view] : file.tensors) {
    if (reinterpret_cast<uintptr_t>(view.data) % glmv::size_of(view.dtype) != 0) std::abort();
    glmv::Tensor values(glmv::DType::f64, view);
    glmv::convert(view, values.view);
  }
}

void read(const std::string& bytes) {
  const MemoryFile input(bytes);
  try {
    touch_all(glmv::read_foreign(input.path()));
  } catch (const glmv::Error& error) {
    if (error.code() != glmv::ExitCode::bad_input) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  read(bytes);
  const std::string floats(256, '\0');
  read(glmv::zip_of({{"a/data.pkl", bytes}, {"a/data/0", floats}, {"a/data/1", floats}, {"a/data/2", floats}}));
  return 0;
}
