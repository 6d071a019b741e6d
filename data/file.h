// Files, opened in one place: what is read whole, and what appears under its name only when it is complete.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace glmv {

/// Largest file that is read whole (pictures, tokenizers, JSON), in bytes: a published tokenizer.json has 20 MB, a
/// picture of as many pixels as are taken has at most 512 MiB uncompressed. Weights are mapped and have no limit.
constexpr uint64_t kMostWholeFileBytes = uint64_t{512} << 20;

/// A file descriptor that closes itself.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { close(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  /// False if the system reports a delayed write error.
  bool close();

 private:
  int fd_;
};

/// A regular file, open for reading.
struct InputFile {
  Descriptor descriptor;
  uint64_t bytes = 0;
};

/// Error (exit code 3) for what cannot be opened and for folders, pipes and devices, which are never waited for.
InputFile open_input(const std::string& path);

/// Was this file read by open_input() before, under whatever name? A result must not take the place of an input.
bool was_read(const std::string& path);

/// The bytes of a regular file. Error (exit code 3) if it cannot be read or has more than `most_bytes`.
std::string read_file(const std::string& path, uint64_t most_bytes = kMostWholeFileBytes);

/// Writes every byte, however many calls that takes. False, with errno, if one of them fails.
bool write_all(int file, const void* data, size_t bytes);

/// What to do with a device or pipe that is named as a result.
enum class Devices : uint8_t {
  refused,  ///< tensors: nobody could read them back
  written,  ///< text: to /dev/null, to a named pipe
};

/// Can a result be put there? Looks, and changes nothing. Error (exit code 3) for a folder, a missing folder, a file or
/// folder without write permission and, if refused, a device.
void check_can_write(const std::string& path, Devices devices);

/// A file that appears under its name only when it is complete: until commit() it is a temporary one in the same
/// folder. A symbolic link is followed, permissions of a file that is replaced are kept. Errors: exit code 3.
class OutputFile {
 public:
  explicit OutputFile(const std::string& path, Devices devices);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* data, size_t bytes);
  /// Reaches the disk and gets its name.
  void commit();

 private:
  int create(mode_t mode) const;
  void sync_folder() const;
  [[noreturn]] void fail(const char* what) const;

  std::string path_;       ///< as the user named it
  std::string place_;      ///< behind symbolic links
  std::string temporary_;  ///< "" for a device
  Descriptor file_;
  bool committed_ = false;
};

/// Takes the file away that is being written, if there is one. For signal handlers.
void remove_unfinished_file() noexcept;

}  // namespace glmv
