#include "data/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <set>

#include "reference/core/error.h"

namespace glmv {
namespace {

namespace fs = std::filesystem;

std::string system_reason() { return std::strerror(errno); }

/// The system would cut a name at a zero byte and open another file.
void check_name(const std::string& path) {
  if (path.empty()) input_error("the name of a file is empty");
  const size_t zero = path.find('\0');
  if (zero != std::string::npos) {
    input_error(path.substr(0, zero), "\\0", path.substr(zero + 1), ": a file name with a zero byte");
  }
}

/// The file that symbolic links lead to, which need not exist yet.
std::string behind_links(const std::string& path) {
  constexpr int kMostLinks = 40;  // as Linux
  fs::path at = path;
  std::error_code error;
  for (int i = 0; fs::is_symlink(fs::symlink_status(at, error)); ++i) {
    if (i == kMostLinks) input_error(path, ": too many symbolic links");
    at = at.parent_path() / fs::read_symlink(at, error);
    if (error) input_error(path, ": the symbolic link cannot be read: ", error.message());
  }
  return at.string();
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "./" : path.substr(0, slash + 1);
}

void check_folder(const std::string& path, const std::string& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0) {
    input_error(path, ": cannot be written: folder ", folder, ": ", system_reason());
  }
  if (!S_ISDIR(status.st_mode)) input_error(path, ": cannot be written: ", folder, " is not a folder");
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    input_error(path, ": cannot be written: folder ", folder, ": ", system_reason());
  }
}

/// Where a result goes.
struct Place {
  std::string path;
  bool is_device = false;
  mode_t mode = 0;  ///< permissions of the file that is replaced; 0 = there is none
};

Place place_of(const std::string& path, Devices devices) {
  check_name(path);
  struct stat status {};
  Place place{path, false, 0};
  if (::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    if (S_ISDIR(status.st_mode)) input_error(path, ": cannot be written: a folder, not a regular file");
    if (devices == Devices::refused) input_error(path, ": not a regular file, will not be replaced");
    if (::access(path.c_str(), W_OK) != 0) input_error(path, ": cannot be written: ", system_reason());
    place.is_device = true;  // renaming a file over it would replace it
    return place;
  }
  place.path = behind_links(path);
  check_folder(path, folder_of(place.path));
  if (::stat(place.path.c_str(), &status) == 0) {
    place.mode = status.st_mode & 07777;
    // Root may write to everything, but who took the permission away meant it.
    const bool read_only = (place.mode & 0222) == 0 || ::access(place.path.c_str(), W_OK) != 0;
    if (read_only) input_error(path, ": is read-only, will not be replaced");
  } else if (errno != ENOENT) {
    input_error(path, ": cannot be written: ", system_reason());
  }
  return place;
}

/// The files that were read, as the system knows them: device and inode.
struct FilesRead {
  std::mutex mutex;
  std::set<std::pair<dev_t, ino_t>> files;
};

FilesRead& files_read() {
  static FilesRead all;
  return all;
}

/// Name of the temporary file that exists now. One at a time is written; of several the last would be remembered.
std::atomic<const char*> unfinished{nullptr};

}  // namespace

bool Descriptor::close() {
  const int fd = std::exchange(fd_, -1);
  return fd < 0 || ::close(fd) == 0;
}

// ---------------------------------------------------------------------------------------------------------- input

InputFile open_input(const std::string& path) {
  check_name(path);
  // Without O_NONBLOCK, opening a named pipe would wait for a writer.
  InputFile file{Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK))};
  if (file.descriptor.get() < 0) input_error(path, ": cannot be opened: ", system_reason());
  struct stat status {};
  if (::fstat(file.descriptor.get(), &status) != 0) input_error(path, ": cannot be examined: ", system_reason());
  if (S_ISDIR(status.st_mode)) input_error(path, ": a folder, not a regular file");
  if (!S_ISREG(status.st_mode)) input_error(path, ": a pipe or device, not a regular file");
  file.bytes = static_cast<uint64_t>(status.st_size);
  const std::lock_guard<std::mutex> lock(files_read().mutex);
  files_read().files.emplace(status.st_dev, status.st_ino);
  return file;
}

bool was_read(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return false;
  const std::lock_guard<std::mutex> lock(files_read().mutex);
  return files_read().files.count({status.st_dev, status.st_ino}) > 0;
}

std::string read_file(const std::string& path, uint64_t most_bytes) {
  const InputFile file = open_input(path);
  std::string bytes;
  // Files of /proc say they are empty, and a file may grow: the end is where reading ends, not where size says.
  for (size_t wanted = file.bytes + 1;; wanted = bytes.size() + (1 << 16)) {
    if (file.bytes > most_bytes || bytes.size() > most_bytes) {
      input_error(path, ": ", std::max<uint64_t>(file.bytes, bytes.size()), " bytes, at most ", most_bytes,
                  " are read");
    }
    const size_t have = bytes.size();
    bytes.resize(wanted);
    ssize_t done = 0;
    do done = ::read(file.descriptor.get(), bytes.data() + have, wanted - have);
    while (done < 0 && errno == EINTR);
    if (done < 0) input_error(path, ": cannot be read: ", system_reason());
    bytes.resize(have + static_cast<size_t>(done));
    if (done == 0) return bytes;
  }
}

// --------------------------------------------------------------------------------------------------------- output

bool write_all(int file, const void* data, size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done = ::write(file, at, bytes);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done;
    bytes -= static_cast<size_t>(done);
  }
  return true;
}

void check_can_write(const std::string& path, Devices devices) { place_of(path, devices); }

OutputFile::OutputFile(const std::string& path, Devices devices) : path_(path) {
  static std::atomic<unsigned> count{0};
  const Place place = place_of(path, devices);
  place_ = place.path;
  if (!place.is_device) temporary_ = concat(folder_of(place_), ".glmv-", ::getpid(), '-', count++, ".tmp");
  file_ = Descriptor(create(place.mode));
}

OutputFile::~OutputFile() {
  if (temporary_.empty() || committed_) return;
  ::unlink(temporary_.c_str());
  unfinished = nullptr;
}

int OutputFile::create(mode_t mode) const {
  if (temporary_.empty()) {
    const int device = ::open(place_.c_str(), O_WRONLY | O_CLOEXEC);
    if (device < 0) fail("cannot be opened");
    return device;
  }
  const int fd = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) fail("cannot be created");
  unfinished = temporary_.c_str();
  if (mode != 0) ::fchmod(fd, mode);  // where the file system has no permissions, there are none to keep
  return fd;
}

void OutputFile::write(const void* data, size_t bytes) {
  if (!write_all(file_.get(), data, bytes)) fail("cannot be written");
}

void OutputFile::commit() {
  const bool synced = ::fsync(file_.get()) == 0 || (temporary_.empty() && errno == EINVAL);  // a pipe has no disk
  if (!synced || !file_.close()) fail("cannot be written");
  if (temporary_.empty()) return;
  if (::rename(temporary_.c_str(), place_.c_str()) != 0) fail("cannot be put in place");
  committed_ = true;
  unfinished = nullptr;
  sync_folder();
}

/// The new name itself has to reach the disk; where a file system cannot sync folders there is nothing to do.
void OutputFile::sync_folder() const {
  const Descriptor opened(::open(folder_of(place_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.get() >= 0) ::fsync(opened.get());
}

void OutputFile::fail(const char* what) const { input_error(path_, ": ", what, ": ", system_reason()); }

void remove_unfinished_file() noexcept {
  if (const char* name = unfinished.load()) ::unlink(name);
}

}  // namespace glmv
