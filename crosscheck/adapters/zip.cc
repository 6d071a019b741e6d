// The central directory at the end is the truth; a member's local header only says where its data begin. Both may lie,
// so every place is checked against the file, and no two members may share a byte (that is how small bombs grow large).
#include "crosscheck/adapters/zip.h"

#include <sys/mman.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "crosscheck/adapters/bytes.h"
#include "data/file.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

constexpr std::string_view kLocal("PK\3\4", 4), kCentral("PK\1\2", 4), kEnd("PK\5\6", 4), kEnd64("PK\6\6", 4),
    kLocator64("PK\6\7", 4);
constexpr uint64_t kEndBytes = 22, kLocatorBytes = 20, kMostComment = 65535;
constexpr uint64_t kMostGrowth = 1032;                 // of deflate: 258 bytes from two bits
constexpr uint64_t kMostInflated = uint64_t{1} << 30;  // of all members, unless the file is large itself
constexpr uint64_t kUsualGrowth = 16;
constexpr uint64_t kMostMembers = 1'000'000;
constexpr uint64_t kTold64 = 0xffffffff, kTold64Count = 0xffff;  // "see the zip64 record"

struct Directory {
  uint64_t members = 0, bytes = 0, at = 0;
};

/// Place of the end record: the last one whose comment reaches the end of the file.
size_t find_end(std::string_view archive, const std::string& path) {
  const size_t first = archive.size() > kEndBytes + kMostComment ? archive.size() - kEndBytes - kMostComment : 0;
  for (size_t at = archive.rfind(kEnd); at != std::string_view::npos && at >= first; at = archive.rfind(kEnd, at - 1)) {
    if (archive.size() - at >= kEndBytes) {
      ByteReader comment(archive.substr(at + 20), path);
      if (comment.u16("comment length") == archive.size() - at - kEndBytes) return at;
    }
    if (at == 0) break;
  }
  input_error(path, ": a zip archive without its directory at the end; is the file complete?");
}

std::string_view part_of(std::string_view archive, uint64_t at, uint64_t bytes, const std::string& where) {
  if (at > archive.size() || bytes > archive.size() - at)
    input_error(where, ": ", bytes, " bytes at ", at, " do not lie within the file's ", archive.size());
  return archive.substr(at, bytes);
}

Directory directory64(std::string_view archive, size_t end, const std::string& path) {
  if (end < kLocatorBytes) input_error(path, ": zip64 directory: no locator");
  ByteReader locator(archive.substr(end - kLocatorBytes, kLocatorBytes), path + ": zip64 locator");
  if (locator.take(4, "signature") != kLocator64) input_error(path, ": zip64 directory: no locator");
  locator.u32("disk");
  const uint64_t at = locator.u64("place of the record");
  ByteReader record(part_of(archive, at, 56, path + ": zip64 record"), path + ": zip64 record");
  if (record.take(4, "signature") != kEnd64) input_error(path, ": zip64 record at ", at, ": not one");
  record.take(28, "sizes and disks");
  Directory d;
  d.members = record.u64("members");
  d.bytes = record.u64("directory bytes");
  d.at = record.u64("directory place");
  return d;
}

Directory find_directory(std::string_view archive, const std::string& path) {
  const size_t end = find_end(archive, path);
  ByteReader record(archive.substr(end + 4), path + ": zip end record");
  const uint64_t disk = record.u16("disk"), first_disk = record.u16("first disk");
  record.u16("members on this disk");
  Directory d;
  d.members = record.u16("members");
  d.bytes = record.u32("directory bytes");
  d.at = record.u32("directory place");
  const bool told = d.members == kTold64Count || d.bytes == kTold64 || d.at == kTold64;
  if (told) d = directory64(archive, end, path);
  if (!told && (disk != 0 || first_disk != 0)) input_error(path, ": a zip archive of several parts");
  if (d.members > kMostMembers) input_error(path, ": zip directory: ", d.members, " members, more than ", kMostMembers);
  return d;
}

/// The extra field 1 holds, in this order, those of the numbers that did not fit 32 bits.
void read_extra64(std::string_view extra, const std::string& where, const std::vector<uint64_t*>& numbers) {
  ByteReader reader(extra, where + ": extra field");
  while (reader.left() >= 4) {
    const uint64_t id = reader.u16("id"), bytes = reader.u16("length");
    ByteReader field(reader.take(bytes, "data"), where + ": zip64 sizes");
    if (id != 1) continue;
    for (uint64_t* n : numbers) *n = field.u64("number");
    return;
  }
  if (!numbers.empty()) input_error(where, ": zip64 sizes are missing");
}

/// What lies between a member's local header and its data is told only there.
uint64_t data_place(std::string_view archive, uint64_t local_at, const std::string& where) {
  ByteReader local(part_of(archive, local_at, 30, where + ": local header"), where + ": local header");
  if (local.take(4, "signature") != kLocal) input_error(where, ": no local header at ", local_at);
  local.take(22, "sizes");
  const uint64_t name = local.u16("name length"), extra = local.u16("extra length");
  return local_at + 30 + name + extra;
}

ZipMember read_member(ByteReader& directory, std::string_view archive, const std::string& path, uint64_t& begin) {
  if (directory.take(4, "signature") != kCentral) input_error(path, ": zip directory: a broken entry");
  directory.u32("versions");
  const uint64_t flags = directory.u16("flags"), method = directory.u16("method");
  directory.u32("time");
  ZipMember m;
  m.crc = static_cast<uint32_t>(directory.u32("checksum"));
  uint64_t stored = directory.u32("stored bytes");
  m.bytes = directory.u32("bytes");
  const uint64_t name = directory.u16("name length"), extra = directory.u16("extra length"),
                 comment = directory.u16("comment length");
  directory.take(8, "disk and attributes");
  begin = directory.u32("place");
  m.name = directory.take(name, "name");
  const std::string where = concat(path, ": member ", m.name);
  std::vector<uint64_t*> told;
  for (uint64_t* n : {&m.bytes, &stored, &begin}) {
    if (*n == kTold64) told.push_back(n);
  }
  read_extra64(directory.take(extra, "extra"), where, told);
  directory.take(comment, "comment");
  if ((flags & 1) != 0) input_error(where, ": is encrypted");
  if (method != 0 && method != 8) input_error(where, ": compression method ", method, ", known are 0 and 8 (deflate)");
  m.deflated = method == 8;
  m.stored = part_of(archive, data_place(archive, begin, where), stored, where);
  if (!m.deflated && stored != m.bytes) input_error(where, ": stored, but ", stored, " bytes are to be ", m.bytes);
  if (m.deflated && m.bytes / kMostGrowth > stored)
    input_error(where, ": ", stored, " bytes claim to grow to ", m.bytes);
  return m;
}

void check_apart(std::vector<std::pair<uint64_t, uint64_t>> stretches, const std::string& path) {
  std::sort(stretches.begin(), stretches.end());
  for (size_t i = 1; i < stretches.size(); ++i) {
    if (stretches[i].first < stretches[i - 1].second)
      input_error(path, ": zip members overlap at byte ", stretches[i].first);
  }
}

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const InputFile file = open_input(path);
  if (file.bytes == 0) input_error(path, ": is empty");
  void* data = ::mmap(nullptr, file.bytes, PROT_READ, MAP_PRIVATE, file.descriptor.get(), 0);
  if (data == MAP_FAILED) input_error(path, ": cannot be mapped: ", std::strerror(errno));
  bytes_ = {static_cast<const char*>(data), file.bytes};
  owner_ = {data, [n = file.bytes](const void* p) { ::munmap(const_cast<void*>(p), n); }};
}

bool looks_like_zip(std::string_view bytes) { return bytes.substr(0, 4) == kLocal || bytes.substr(0, 4) == kEnd; }

std::vector<ZipMember> zip_members(std::string_view archive, const std::string& path) {
  const Directory d = find_directory(archive, path);
  ByteReader directory(part_of(archive, d.at, d.bytes, path + ": zip directory"), path + ": zip directory");
  std::vector<ZipMember> members;
  std::vector<std::pair<uint64_t, uint64_t>> stretches;
  std::set<std::string> names;
  uint64_t grown = 0;
  for (uint64_t i = 0; i < d.members; ++i) {
    uint64_t begin = 0;
    members.push_back(read_member(directory, archive, path, begin));
    const ZipMember& m = members.back();
    grown += m.deflated ? m.bytes : 0;  // each is at most 1032 times the file: no overflow for a million
    if (grown > std::max(kMostInflated, kUsualGrowth * archive.size()))
      input_error(path, ": the zip members claim to grow to more than ", grown - 1, " bytes, the file has ",
                  archive.size());
    if (!names.insert(m.name).second) input_error(path, ": two members are called ", m.name);
    const auto end = static_cast<uint64_t>(m.stored.data() - archive.data()) + m.stored.size();
    stretches.emplace_back(begin, end);
  }
  check_apart(std::move(stretches), path);
  return members;
}

std::string_view member_bytes(const ZipMember& member, const std::string& path, std::string& inflated) {
  const std::string where = concat(path, ": member ", member.name);
  std::string_view bytes = member.stored;
  if (member.deflated) {
    inflated.resize(member.bytes);
    z_stream stream{};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) input_error(where, ": zlib does not start");
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(member.stored.data()));
    stream.next_out = reinterpret_cast<Bytef*>(inflated.data());
    size_t in = member.stored.size(), out = inflated.size();
    int state = Z_OK;
    while (state == Z_OK) {  // zlib counts in 32 bits
      constexpr size_t kPiece = size_t{1} << 30;
      stream.avail_in = static_cast<uInt>(std::min(in, kPiece));
      stream.avail_out = static_cast<uInt>(std::min(out, kPiece));
      const size_t in_before = stream.avail_in, out_before = stream.avail_out;
      state = ::inflate(&stream, Z_NO_FLUSH);
      in -= in_before - stream.avail_in, out -= out_before - stream.avail_out;
    }
    ::inflateEnd(&stream);
    if (state != Z_STREAM_END || out != 0)
      input_error(where, ": does not inflate to its ", member.bytes, " bytes (", member.bytes - out, " came)");
    bytes = inflated;
  }
  uLong crc = ::crc32(0, nullptr, 0);
  crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  if (static_cast<uint32_t>(crc) != member.crc) input_error(where, ": its checksum is wrong; the file is damaged");
  return bytes;
}

}  // namespace glmv
