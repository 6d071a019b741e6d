// Zip archives, as torch.save and numpy.savez write them: stored or deflated members, zip64, nothing encrypted.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace glmv {

/// A whole file in memory, mapped. Error (exit code 3) if it cannot be read or is empty.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path);
  std::string_view bytes() const { return bytes_; }
  /// Keeps the mapping alive.
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  std::string_view bytes_;
  std::shared_ptr<const void> owner_;
};

struct ZipMember {
  std::string name;
  std::string_view stored;  ///< as it lies in the archive
  uint64_t bytes = 0;       ///< once it is inflated
  uint32_t crc = 0;
  bool deflated = false;
};

/// Does it begin like a zip archive?
bool looks_like_zip(std::string_view bytes);

/// The members, in the order of the central directory. Error (exit code 3) for lengths and places outside of the file,
/// names that occur twice, members that overlap, encryption, a method that is neither stored nor deflated, and members
/// that claim to grow to more than deflate can (1032 times) or, all together, to more than 16 times the file and 1 GiB.
std::vector<ZipMember> zip_members(std::string_view archive, const std::string& path);

/// The member's bytes: a view of the archive, or of `inflated`, which is filled. Error (exit code 3) if what comes out
/// is not as long as promised or has another checksum.
std::string_view member_bytes(const ZipMember& member, const std::string& path, std::string& inflated);

}  // namespace glmv
