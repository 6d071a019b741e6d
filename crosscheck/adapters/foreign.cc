#include "crosscheck/adapters/foreign.h"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "crosscheck/adapters/zip.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

constexpr int64_t kMostRepeats = 64;  // an expanded axis (stride 0) repeats elements; a bomb does so without end

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

/// a * b + c of numbers that are not negative.
int64_t checked(int64_t a, int64_t b, int64_t c, const std::string& where) {
  int64_t product = 0, sum = 0;
  if (__builtin_mul_overflow(a, b, &product) || __builtin_add_overflow(product, c, &sum))
    input_error(where, ": shape: the number of elements overflows");
  return sum;
}

struct Extent {
  int64_t elements = 1, last = 0;  ///< how many, and the furthest one's place
};

Extent extent_of(const std::string& where, const std::vector<int64_t>& dims, const std::vector<int64_t>& strides) {
  if (dims.size() > static_cast<size_t>(kMaxRank)) input_error(where, ": ", dims.size(), " axes, at most ", kMaxRank);
  if (strides.size() != dims.size()) input_error(where, ": ", dims.size(), " extents but ", strides.size(), " strides");
  Extent e;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] < 0) input_error(where, ": axis ", i, " has extent ", dims[i]);
    if (strides[i] < 0) input_error(where, ": axis ", i, " has stride ", strides[i]);
    e.elements = checked(e.elements, dims[i], 0, where);
    e.last = dims[i] == 0 ? e.last : checked(dims[i] - 1, strides[i], e.last, where);
  }
  return e;
}

int64_t integer_at(const char* at, const StoredType& type) {
  uint64_t bits = 0;
  std::memcpy(&bits, at, static_cast<size_t>(type.bytes));  // little-endian, as the files are
  const int unused = 64 - 8 * type.bytes;
  const auto shifted = static_cast<int64_t>(bits << unused);
  return type.is_signed ? shifted >> unused : static_cast<int64_t>(static_cast<uint64_t>(shifted) >> unused);
}

/// Every element of the storage (not of the view) in a type and at an address that we can read.
const void* readable(ForeignTensors& into, std::string_view data, const StoredType& type) {
  const auto count = static_cast<int64_t>(data.size()) / type.bytes;
  if (!type.widened()) {
    if (reinterpret_cast<uintptr_t>(data.data()) % size_of(type.dtype) == 0) return data.data();
    Tensor copy = Tensor::unfilled(type.dtype, {count});
    std::memcpy(copy.view.data, data.data(), static_cast<size_t>(copy.view.bytes()));
    into.owners.push_back(copy.storage);
    return copy.view.data;
  }
  Tensor wide = Tensor::unfilled(type.dtype, {count});
  for (int64_t i = 0; i < count; ++i) wide.data<int64_t>()[i] = integer_at(data.data() + i * type.bytes, type);
  into.owners.push_back(wide.storage);
  return wide.view.data;
}

/// Unsigned numbers of 64 bits are read as signed ones.
void check_fits_signed(const std::string& where, const ConstTensorView& view) {
  Tensor values(DType::i64, view);
  convert(view, values.view);
  for (int64_t i = 0; i < view.size(); ++i) {
    const int64_t n = values.data<int64_t>()[i];
    if (n < 0) input_error(where, ": element ", i, " is ", static_cast<uint64_t>(n), ", at most 2^63 - 1 is read");
  }
}

[[noreturn]] void refuse(const std::string& path, std::string_view begin) {
  if (starts_with(begin, "GGUF"))
    input_error(path, ": a GGUF file holds weights; crosscheck/peers/llamacpp_dump.cc writes what llama.cpp computes");
  if (begin.find("common_debug_cb_eval") != std::string_view::npos ||
      begin.find("ggml_debug:") != std::string_view::npos)
    input_error(path,
                ": a printed log of llama-eval-callback has six values per axis with four decimals, too few to "
                "judge; crosscheck/peers/llamacpp_dump.cc writes whole tensors");
  if (starts_with(begin, "\x80\x02\x8a\x0al\xfc"))
    input_error(path,
                ": torch.save's format of before version 1.6; save it again without "
                "_use_new_zipfile_serialization=False");
  if (starts_with(begin, "\x80"))
    input_error(path, ": a bare pickle; torch.save, numpy.savez and safetensors files are read");
  input_error(path, ": not a safetensors, torch.save, npy or npz file");
}

/// Here names enter, whatever the format: from here on they may be printed.
ForeignTensors with_printable_names(ForeignTensors file) {
  std::map<std::string, ConstTensorView> tensors;
  tensors.swap(file.tensors);
  file.path = printable(file.path);
  for (const auto& [name, view] : tensors) file.add(printable(name), view);
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : file.metadata) metadata.emplace(printable(key), printable(value));
  file.metadata = std::move(metadata);
  for (std::vector<std::string>* sentences : {&file.notes, &file.warnings}) {
    for (std::string& sentence : *sentences) sentence = printable(sentence);
  }
  file.format = printable(file.format);
  return file;
}

bool is_npz(const std::vector<ZipMember>& members) {
  return std::all_of(members.begin(), members.end(), [](const ZipMember& m) {
    return m.name.size() > 4 && m.name.substr(m.name.size() - 4) == ".npy";
  });
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    // U+0080 to U+009F are control characters, too: 0xc2 and the number itself.
    const bool two = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c >= 0x20 && c != 0x7f && !two) {
      out += text[i];
      continue;
    }
    const auto code = two ? static_cast<unsigned char>(text[++i]) : c;
    out += {'\\', 'x', kDigits[code >> 4], kDigits[code & 15]};
  }
  return out;
}

void ForeignTensors::add(const std::string& name, const ConstTensorView& view) {
  if (!tensors.emplace(name, view).second) input_error(path, ": two tensors are called ", name);
}

std::vector<int64_t> packed_strides(const std::vector<int64_t>& dims, bool column_major, const std::string& where) {
  std::vector<int64_t> strides(dims.size());
  int64_t stride = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    const size_t axis = column_major ? i : dims.size() - 1 - i;
    strides[axis] = stride;
    if (dims[axis] < 0) input_error(where, ": axis ", axis, " has extent ", dims[axis]);
    stride = checked(stride, std::max<int64_t>(dims[axis], 1), 0, where);
  }
  return strides;
}

ConstTensorView stored_view(ForeignTensors& into, const std::string& where, std::string_view data,
                            const StoredType& type, const std::vector<int64_t>& dims,
                            const std::vector<int64_t>& strides) {
  const Extent e = extent_of(where, dims, strides);
  const auto stored = static_cast<int64_t>(data.size()) / type.bytes;
  if (e.elements > 0 && e.last >= stored)
    input_error(where, ": its last element is number ", e.last, ", but there are ", stored);
  if (e.elements > checked(stored, kMostRepeats, 0, where))
    input_error(where, ": ", e.elements, " elements out of ", stored, " that are stored");
  ConstTensorView view;
  view.dtype = type.dtype;
  view.rank = static_cast<int>(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) view.dim[i] = dims[i], view.stride[i] = strides[i];
  // Only what the view reaches is copied or widened: many small views may share one large storage.
  const auto reached = static_cast<size_t>((e.elements > 0 ? e.last + 1 : 0) * type.bytes);
  view.data = readable(into, data.substr(0, reached), type);
  if (type.dtype == DType::i64 && type.bytes == 8 && !type.is_signed) check_fits_signed(where, view);
  return view;
}

ForeignTensors read_safetensors(const std::string& path) { return foreign_from(SafetensorsFile::open(path)); }

ForeignTensors foreign_from(const SafetensorsFile& file) {
  ForeignTensors out;
  out.path = file.path();
  out.format = "safetensors";
  out.tensors = file.tensors();
  out.metadata = file.metadata();
  out.owners.push_back(std::make_shared<const SafetensorsFile>(file));
  return with_printable_names(std::move(out));
}

namespace {

ForeignTensors read_any(const std::string& path) {
  if (std::filesystem::is_directory(path)) return read_folder(path);
  const MappedFile file(path);
  const std::string_view begin = file.bytes().substr(0, 4096);
  if (looks_like_zip(begin)) return is_npz(zip_members(file.bytes(), path)) ? read_npz(path) : read_torch_archive(path);
  if (starts_with(begin, "\x93NUMPY")) return read_npy(path, std::filesystem::path(path).stem().string());
  if (begin.size() > 8 && begin[8] == '{') return read_safetensors(path);
  // A damaged safetensors file gets the message of the reader that knows the format.
  const std::string extension = std::filesystem::path(path).extension().string();
  if (extension == ".safetensors") return read_safetensors(path);
  refuse(path, begin);
}

}  // namespace

ForeignTensors read_foreign(const std::string& path) {
  try {
    return with_printable_names(read_any(path));
  } catch (const Error& e) {  // which may name a tensor
    throw Error(e.code(), printable(e.what()));
  }
}

}  // namespace glmv
