// The reader trusts nothing: the header's length, every name, type, extent and offset is checked against the file
// before a view is made. It refuses what the format forbids (repeated names, overlaps, holes, trailing bytes) and
// what we cannot represent (unknown types, more than five axes). Tensors whose address does not suit their type are
// copied; all others stay in the mapping. A file that another process cuts short while it is mapped is beyond us.
//
// The writer makes a file of the same bytes from the same tensors: widest type first (so that every offset is
// aligned), then by name; the header's keys are sorted.
#include "data/safetensors.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "data/file.h"

namespace glmv {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the format
constexpr uint64_t kLengthBytes = 8;
constexpr size_t kMaxRankRead = static_cast<size_t>(kMaxRank);
const char* const kMetadataKey = "__metadata__";

/// Memory that views of one file point into: the mapping, and owned copies of tensors stored at odd addresses.
struct Backing {
  const char* data = nullptr;
  size_t bytes = 0;
  std::vector<std::unique_ptr<char[]>> copies;

  Backing() = default;
  Backing(const Backing&) = delete;
  Backing& operator=(const Backing&) = delete;
  ~Backing() {
    if (data != nullptr) ::munmap(const_cast<char*>(data), bytes);
  }
};

std::shared_ptr<Backing> map_file(const std::string& path) {
  const InputFile file = open_input(path);
  if (file.bytes < kLengthBytes) {
    input_error(path, ": ", file.bytes,
                " bytes, too short for a safetensors file (8 bytes of header length come first)");
  }
  void* data = ::mmap(nullptr, file.bytes, PROT_READ, MAP_PRIVATE, file.descriptor.get(), 0);
  if (data == MAP_FAILED) input_error(path, ": cannot be mapped: ", std::strerror(errno));
  auto backing = std::make_shared<Backing>();
  backing->data = static_cast<const char*>(data);
  backing->bytes = file.bytes;
  return backing;
}

/// The JSON text between the length and the data.
std::string_view header_text(const Backing& file, const std::string& path) {
  uint64_t length = 0;
  for (uint64_t i = kLengthBytes; i-- > 0;) length = length << 8 | static_cast<unsigned char>(file.data[i]);
  // Behind the length of a header there is a brace, even where the length itself or the end of the file is damaged.
  if (file.bytes > kLengthBytes && file.data[kLengthBytes] != '{') {
    input_error(path, ": not a safetensors file (the header is not a JSON object)");
  }
  if (length > kMaxHeaderBytes) {
    input_error(path, ": not a safetensors file (header length ", length, " exceeds the format's limit of ",
                kMaxHeaderBytes, " bytes)");
  }
  if (length > file.bytes - kLengthBytes) {
    input_error(path, ": header length ", length, " exceeds the file, which has ", file.bytes, " bytes");
  }
  const std::string_view text(file.data + kLengthBytes, length);
  if (text.empty()) input_error(path, ": not a safetensors file (the header is empty, not a JSON object)");
  // The parser takes a zero byte for the end of the text, so what follows it would be ignored.
  if (text.find('\0') != std::string_view::npos) input_error(path, ": a zero byte inside the header");
  return text;
}

/// One tensor as the header describes it.
struct Entry {
  std::string dtype;
  std::vector<uint64_t> shape, offsets;
};

/// Follows the JSON parser event by event, so that only what the format allows is ever stored: depth 1 holds names,
/// depth 2 the fields of a tensor or the metadata, an array the numbers of `shape` or `data_offsets`.
class HeaderReader : public nlohmann::json_sax<json> {
 public:
  explicit HeaderReader(const std::string& path) : path_(path) {}

  std::map<std::string, Entry> entries;
  std::map<std::string, std::string> metadata;

  bool start_object(size_t) override {
    if (depth_ >= 2 || in_array_) refuse("an object");
    ++depth_;
    fields_.clear();
    return true;
  }
  bool end_object() override {
    if (--depth_ == 1 && !in_metadata()) check_complete();
    return true;
  }
  bool key(string_t& name) override { return depth_ == 1 ? tensor_key(name) : field_key(name); }
  bool string(string_t& value) override {
    if (depth_ == 2 && in_metadata()) {
      metadata[field_] = value;
    } else if (depth_ == 2 && !in_array_ && field_ == "dtype") {
      entries[name_].dtype = value;
    } else {
      refuse("the string \"" + value + '"');
    }
    return true;
  }
  bool start_array(size_t) override {
    if (depth_ != 2 || in_array_ || in_metadata() || field_ == "dtype") refuse("an array");
    return in_array_ = true;
  }
  bool end_array() override {
    in_array_ = false;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (!in_array_) refuse(std::to_string(value));
    const bool shape = field_ == "shape";
    std::vector<uint64_t>& list = shape ? entries[name_].shape : entries[name_].offsets;
    if (shape && list.size() == kMaxRankRead) input_error(where(), ": more than ", kMaxRank, " axes");
    if (!shape && list.size() == 2) input_error(where(), ": more than two numbers");
    list.push_back(value);
    return true;
  }
  bool number_integer(number_integer_t value) override { refuse("the negative number " + std::to_string(value)); }
  bool number_float(number_float_t, const string_t& text) override { refuse("the number " + text); }
  bool boolean(bool value) override { refuse(value ? "true" : "false"); }
  bool null() override { refuse("null"); }
  bool binary(binary_t&) override { refuse("binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    input_error(path_, ": header is not valid JSON at byte ", position, ": ", e.what());
  }

 private:
  bool in_metadata() const { return name_ == kMetadataKey; }
  std::string where() const {
    if (name_.empty()) return path_ + ": header";
    std::string at = path_ + (in_metadata() ? ": " : ": tensor ") + name_;
    return field_.empty() ? at : at + ": " + field_;
  }
  [[noreturn]] void refuse(const std::string& what) const { input_error(where(), ": unexpected ", what); }

  bool tensor_key(const std::string& name) {
    name_ = name;
    field_.clear();
    if (name.empty()) input_error(path_, ": a tensor without a name");
    const bool is_new = in_metadata() ? !std::exchange(saw_metadata_, true) : entries.try_emplace(name).second;
    if (!is_new) input_error(where(), ": named twice");
    return true;
  }
  bool field_key(const std::string& field) {
    field_ = field;
    if (!in_metadata() && field != "dtype" && field != "shape" && field != "data_offsets") {
      input_error(where(), ": unknown field");
    }
    if (!fields_.insert(field).second) input_error(where(), ": given twice");
    return true;
  }
  void check_complete() {
    field_.clear();
    for (const char* field : {"dtype", "shape", "data_offsets"}) {
      if (fields_.count(field) == 0) input_error(where(), ": field ", field, " is missing");
    }
    const size_t count = entries[name_].offsets.size();
    if (count != 2) input_error(where(), ": data_offsets has ", count, " numbers, not two");
  }

  const std::string& path_;
  int depth_ = 0;
  bool in_array_ = false;
  bool saw_metadata_ = false;
  std::string name_, field_;
  std::set<std::string> fields_;
};

/// How elements lie in the file. Integers that we have no type for are widened to i64.
struct Stored {
  DType dtype;
  uint64_t bytes;
  bool is_signed = true;
  bool widened() const { return dtype == DType::i64 && (bytes < 8 || !is_signed); }
};

Stored stored_as(const std::string& dtype, const std::string& where) {
  static const std::map<std::string, Stored> kKnown = {
      {"F64", {DType::f64, 8}},        {"F32", {DType::f32, 4}},        {"F16", {DType::f16, 2}},
      {"BF16", {DType::bf16, 2}},      {"F8_E4M3", {DType::f8e4m3, 1}}, {"I64", {DType::i64, 8}},
      {"I32", {DType::i32, 4}},        {"I16", {DType::i64, 2}},        {"I8", {DType::i64, 1}},
      {"U64", {DType::i64, 8, false}}, {"U32", {DType::i64, 4, false}}, {"U16", {DType::i64, 2, false}},
      {"U8", {DType::u8, 1}},          {"BOOL", {DType::u8, 1}},  // one byte, 0 or 1
  };
  const auto found = kKnown.find(dtype);
  if (found == kKnown.end()) input_error(where, ": dtype ", dtype, " is not supported");
  return found->second;
}

/// a * b, or an error when it does not fit the signed 64 bits of an extent.
uint64_t checked_product(uint64_t a, uint64_t b, const std::string& where) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product) || product > static_cast<uint64_t>(INT64_MAX)) {
    input_error(where, ": shape: the number of bytes overflows");
  }
  return product;
}

/// Row-major view without data; the byte count of `entry` is checked against its offsets.
ConstTensorView view_of(const Entry& entry, uint64_t data_bytes, const std::string& where) {
  ConstTensorView view;
  const Stored stored = stored_as(entry.dtype, where);
  view.dtype = stored.dtype;
  view.rank = static_cast<int>(entry.shape.size());
  uint64_t stride = 1;
  // Strides are products as well: an extent of zero must not hide an overflow in those behind it.
  for (int i = view.rank - 1; i >= 0; --i) {
    const uint64_t extent = checked_product(entry.shape[static_cast<size_t>(i)], 1, where);
    view.dim[i] = static_cast<int64_t>(extent);
    view.stride[i] = static_cast<int64_t>(stride);
    stride = checked_product(stride, extent, where);
  }
  const uint64_t bytes = checked_product(stride, stored.bytes, where);
  const uint64_t begin = entry.offsets[0], end = entry.offsets[1];
  if (begin > end || end > data_bytes) {
    input_error(where, ": data_offsets [", begin, ',', end, "] do not lie within ", data_bytes, " bytes of data");
  }
  if (end - begin != bytes) {
    input_error(where, ": data_offsets [", begin, ',', end, "] hold ", end - begin, " bytes, but ",
                stored.widened() ? entry.dtype + " read as " : "", view, " has ", bytes);
  }
  return view;
}

/// The format wants the data to be tiled by the tensors: no overlap, no hole, nothing behind the last one.
void check_tiling(const std::map<std::string, Entry>& entries, uint64_t data_bytes, const std::string& path) {
  std::vector<const std::pair<const std::string, Entry>*> order;
  order.reserve(entries.size());
  for (const auto& entry : entries) order.push_back(&entry);
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return a->second.offsets < b->second.offsets; });
  uint64_t end = 0;
  const std::string* previous = nullptr;
  for (const auto* entry : order) {
    const uint64_t begin = entry->second.offsets[0];
    if (begin < end) input_error(path, ": tensor ", entry->first, ": data_offsets overlap those of ", *previous);
    if (begin > end) {
      input_error(path, ": tensor ", entry->first, ": data_offsets begin at ", begin, ", which leaves a hole behind ",
                  end);
    }
    end = entry->second.offsets[1];
    previous = &entry->first;
  }
  if (end != data_bytes) {
    input_error(path, ": tensors end at byte ", end, " of the data, but the file has ", data_bytes, " bytes of data");
  }
}

/// Address of a tensor, copied to owned memory where the file puts it at an address that does not suit its type.
const void* aligned_data(Backing& file, const char* data, const ConstTensorView& view) {
  if (reinterpret_cast<uintptr_t>(data) % size_of(view.dtype) == 0) return data;
  const auto bytes = static_cast<size_t>(view.bytes());
  file.copies.emplace_back(new char[std::max<size_t>(bytes, 1)]);  // operator new aligns for every type we have
  std::memcpy(file.copies.back().get(), data, bytes);
  return file.copies.back().get();
}

/// Owned memory with every element as i64.
const void* widened_data(Backing& file, const char* data, const Stored& stored, int64_t count,
                         const std::string& where) {
  file.copies.emplace_back(new char[std::max<size_t>(static_cast<size_t>(count) * sizeof(int64_t), 1)]);
  char* out = file.copies.back().get();
  const auto unused = static_cast<int>(64 - 8 * stored.bytes);
  for (int64_t i = 0; i < count; ++i) {
    uint64_t bits = 0;
    std::memcpy(&bits, data + static_cast<uint64_t>(i) * stored.bytes, stored.bytes);  // little-endian, as the file is
    if (!stored.is_signed && bits >> 63 != 0)
      input_error(where, ": element ", i, " is ", bits, ", at most 2^63 - 1 is read");
    const int64_t value =
        stored.is_signed ? static_cast<int64_t>(bits << unused) >> unused : static_cast<int64_t>(bits);
    std::memcpy(out + static_cast<uint64_t>(i) * sizeof value, &value, sizeof value);
  }
  return out;
}

// ---- writing ----

/// A tensor to write and where its data go.
struct Placed {
  const std::string* name;
  const ConstTensorView* view;
  uint64_t begin = 0;
};

void check_writable(const std::string& path, const std::string& name, const ConstTensorView& view) {
  if (name.empty() || name == kMetadataKey) input_error(path, ": \"", name, "\" cannot name a tensor");
  if (view.space != Space::host || !view.contiguous()) {
    input_error(path, ": tensor ", name, ": only contiguous host memory can be written, got ", view);
  }
  if (view.data == nullptr && view.size() != 0) input_error(path, ": tensor ", name, " has no data");
}

std::vector<Placed> placed(const std::string& path, const NamedTensors& tensors) {
  std::vector<Placed> order;
  order.reserve(tensors.size());
  for (const auto& [name, view] : tensors) {
    check_writable(path, name, view);
    order.push_back({&name, &view});
  }
  std::sort(order.begin(), order.end(), [](const Placed& a, const Placed& b) {
    const size_t wide_a = size_of(a.view->dtype), wide_b = size_of(b.view->dtype);
    return wide_a != wide_b ? wide_a > wide_b : *a.name < *b.name;
  });
  uint64_t at = 0;
  for (Placed& p : order) {
    p.begin = at;
    at += static_cast<uint64_t>(p.view->bytes());
  }
  return order;
}

/// Length and JSON, padded so that the data begin at a multiple of eight.
std::string header_bytes(const std::string& path, const std::vector<Placed>& order,
                         const std::map<std::string, std::string>& metadata) {
  json header = json::object();
  if (!metadata.empty()) header[kMetadataKey] = metadata;
  for (const Placed& p : order) {
    if (header.contains(*p.name)) input_error(path, ": tensor ", *p.name, ": named twice");
    const std::vector<int64_t> shape(p.view->dim, p.view->dim + p.view->rank);
    const uint64_t end = p.begin + static_cast<uint64_t>(p.view->bytes());
    header[*p.name] = {{"dtype", safetensors_dtype(p.view->dtype)}, {"shape", shape}, {"data_offsets", {p.begin, end}}};
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception&) {
    input_error(path, ": a name or a metadata value is not valid UTF-8");
  }
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  if (text.size() > kMaxHeaderBytes) input_error(path, ": the header would have ", text.size(), " bytes");
  std::string length;
  for (uint64_t i = 0; i < kLengthBytes; ++i) length += static_cast<char>(text.size() >> (8 * i) & 0xff);
  return length + text;
}

}  // namespace

SafetensorsFile SafetensorsFile::open(const std::string& path) {
  const std::shared_ptr<Backing> backing = map_file(path);
  const std::string_view text = header_text(*backing, path);
  HeaderReader header(path);
  json::sax_parse(text.begin(), text.end(), &header);
  const char* data = text.data() + text.size();
  const uint64_t data_bytes = backing->bytes - kLengthBytes - text.size();

  SafetensorsFile file;
  file.path_ = path;
  for (const auto& [name, entry] : header.entries) {
    file.tensors_.emplace_hint(file.tensors_.end(), name, view_of(entry, data_bytes, concat(path, ": tensor ", name)));
  }
  check_tiling(header.entries, data_bytes, path);
  for (auto& [name, view] : file.tensors_) {
    const Entry& entry = header.entries.at(name);
    const std::string where = concat(path, ": tensor ", name);
    const Stored stored = stored_as(entry.dtype, where);
    const char* begin = data + entry.offsets[0];
    view.data = stored.widened() ? widened_data(*backing, begin, stored, view.size(), where)
                                 : aligned_data(*backing, begin, view);
  }
  file.metadata_ = std::move(header.metadata);
  file.mapping_ = backing;
  return file;
}

ConstTensorView SafetensorsFile::get(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) input_error(path_, ": no tensor ", name, " (it has ", tensors_.size(), " tensors)");
  return found->second;
}

void write_safetensors(const std::string& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::vector<Placed> order = placed(path, tensors);
  const std::string header = header_bytes(path, order, metadata);
  OutputFile file(path, Devices::refused);
  file.write(header.data(), header.size());
  for (const Placed& p : order) file.write(p.view->data, static_cast<size_t>(p.view->bytes()));
  file.commit();
}

const char* safetensors_dtype(DType t) {
  switch (t) {
    case DType::f64: return "F64";
    case DType::f32: return "F32";
    case DType::f16: return "F16";
    case DType::bf16: return "BF16";
    case DType::f8e4m3: return "F8_E4M3";
    case DType::i64: return "I64";
    case DType::i32: return "I32";
    case DType::u8: return "U8";
  }
  input_error("element type ", static_cast<int>(t), " has no name in the safetensors format");
}

}  // namespace glmv
