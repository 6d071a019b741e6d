// Any bytes are a clip or an Error: nothing else may leave read_clip, whatever the headers say.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

#include "data/clip.h"
#include "data/video.h"
#include "reference/core/error.h"
#include "reference/core/parallel.h"

namespace {

/// A file in memory that has a name, because videos are read from files.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : file_(::memfd_create("fuzz", 0)) {
    if (file_ < 0 || ::write(file_, data, size) != static_cast<ssize_t>(size)) std::abort();
  }
  ~MemoryFile() { ::close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string name() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

glmv::ImageConfig config() {
  glmv::ImageConfig c;
  c.min_volume = 12544;
  c.max_volume = 47040000;
  return c;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (!glmv::video_files_are_read()) return 0;
  glmv::set_thread_count(1);
  const MemoryFile file(data, size);
  try {
    const glmv::Clip clip = glmv::read_clip(file.name(), config(), 4.0);
    if (clip.frames.empty() || clip.frames.size() != clip.seconds.size() || clip.frames.size() % 2 != 0) std::abort();
    for (const glmv::Image& frame : clip.frames) {
      if (frame.width != clip.frames[0].width || frame.height != clip.frames[0].height) std::abort();
    }
  } catch (const glmv::Error& error) {
    if (error.code() != glmv::ExitCode::bad_input) std::abort();
  }
  return 0;
}
