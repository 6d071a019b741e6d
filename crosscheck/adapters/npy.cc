// numpy's files. A header is the text of a Python dict of three keys; it is read by hand, nothing is evaluated.
#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>

#include "crosscheck/adapters/bytes.h"
#include "crosscheck/adapters/foreign.h"
#include "crosscheck/adapters/zip.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

constexpr uint64_t kMostHeader = 65536;

struct Header {
  StoredType type;
  bool column_major = false;
  std::vector<int64_t> dims;
};

StoredType type_of(const std::string& descr, const std::string& where) {
  static const std::map<std::string, StoredType> known = {
      {"<f8", {DType::f64, 8, true}},  {"<f4", {DType::f32, 4, true}},  {"<f2", {DType::f16, 2, true}},
      {"<i8", {DType::i64, 8, true}},  {"<i4", {DType::i32, 4, true}},  {"<i2", {DType::i64, 2, true}},
      {"|i1", {DType::i64, 1, true}},  {"|u1", {DType::u8, 1, false}},  {"|b1", {DType::u8, 1, false}},
      {"<u2", {DType::i64, 2, false}}, {"<u4", {DType::i64, 4, false}}, {"<u8", {DType::i64, 8, false}},
      {"<V2", {DType::bf16, 2, true}}, {"|V2", {DType::bf16, 2, true}},  // ml_dtypes' bfloat16 is an unnamed type
  };
  const auto found = known.find(descr);
  if (found == known.end()) {
    const std::string why = descr.find('O') != std::string::npos   ? ": objects, which are pickled"
                            : descr.find('c') != std::string::npos ? ": complex numbers"
                            : descr.starts_with('>')               ? ": big-endian numbers"
                                                                   : "";
    input_error(where, ": npy header: descr '", descr, "' is not read", why);
  }
  return found->second;
}

/// "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }"
class HeaderText {
 public:
  HeaderText(std::string_view text, const std::string& where) : text_(text), where_(where) {}

  Header read() {
    Header h;
    bool has_type = false, has_shape = false;
    expect('{');
    while (!accepts('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr") {
        if (accepts('[')) input_error(where_, ": npy header: descr is a record of several fields, which is not read");
        h.type = type_of(quoted(), where_), has_type = true;
      } else if (key == "fortran_order") {
        h.column_major = boolean();
      } else if (key == "shape") {
        h.dims = tuple(), has_shape = true;
      } else {
        input_error(where_, ": npy header: unknown key ", key);
      }
      if (!accepts(',')) {
        expect('}');
        break;
      }
    }
    if (!has_type || !has_shape) input_error(where_, ": npy header: no ", has_type ? "shape" : "descr");
    return h;
  }

 private:
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool accepts(char c) {
    skip_spaces();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accepts(c)) input_error(where_, ": npy header: expected ", c, " at byte ", at_);
  }
  std::string quoted() {
    expect('\'');
    const size_t end = text_.find('\'', at_);
    if (end == std::string_view::npos) input_error(where_, ": npy header: a text without an end");
    std::string out(text_.substr(at_, end - at_));
    at_ = end + 1;
    return out;
  }
  bool boolean() {
    skip_spaces();
    for (const std::string_view word : {"True", "False"}) {
      if (text_.substr(at_, word.size()) != word) continue;
      at_ += word.size();
      return word == "True";
    }
    input_error(where_, ": npy header: fortran_order is neither True nor False");
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> numbers;
    expect('(');
    while (!accepts(')')) {
      if (numbers.size() == static_cast<size_t>(kMaxRank))
        input_error(where_, ": shape: more than ", kMaxRank, " axes");
      skip_spaces();
      int64_t n = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), n);
      if (error != std::errc{}) input_error(where_, ": npy header: shape has no number at byte ", at_);
      at_ = static_cast<size_t>(end - text_.data());
      numbers.push_back(n);
      if (!accepts(',')) {
        expect(')');
        break;
      }
    }
    return numbers;
  }

  std::string_view text_;
  const std::string& where_;
  size_t at_ = 0;
};

/// An array that starts with the magic; it must fill `bytes`.
void add_array(ForeignTensors& out, const std::string& name, std::string_view bytes, const std::string& where) {
  ByteReader in(bytes, where);
  if (in.take(6, "magic") != "\x93NUMPY") input_error(where, ": not an npy array");
  const uint64_t major = in.u8("version");
  in.u8("version");
  if (major < 1 || major > 3) input_error(where, ": npy version ", major, ", known are 1 to 3");
  const uint64_t length = major == 1 ? in.u16("header length") : in.u32("header length");
  if (length > kMostHeader) input_error(where, ": header length ", length, ", more than ", kMostHeader);
  const Header h = HeaderText(in.take(length, "header"), where).read();
  const std::vector<int64_t> strides = packed_strides(h.dims, h.column_major, where);
  const std::string_view data = bytes.substr(in.at());
  out.add(name, stored_view(out, where, data, h.type, h.dims, strides));
  const uint64_t wanted = static_cast<uint64_t>(out.tensors.at(name).size()) * static_cast<uint64_t>(h.type.bytes);
  if (wanted != data.size()) input_error(where, ": ", wanted, " bytes of data expected, ", data.size(), " are there");
}

}  // namespace

ForeignTensors read_npy(const std::string& path, const std::string& name) {
  const MappedFile file(path);
  ForeignTensors out;
  out.path = path;
  out.format = "npy array";
  out.owners.push_back(file.owner());
  add_array(out, name, file.bytes(), path);
  return out;
}

ForeignTensors read_npz(const std::string& path) {
  const MappedFile file(path);
  ForeignTensors out;
  out.path = path;
  out.format = "npz archive";
  out.owners.push_back(file.owner());
  for (const ZipMember& m : zip_members(file.bytes(), path)) {
    auto inflated = std::make_shared<std::string>();
    const std::string_view bytes = member_bytes(m, path, *inflated);
    out.owners.push_back(inflated);
    add_array(out, m.name.substr(0, m.name.size() - std::string_view(".npy").size()), bytes,
              concat(path, ": member ", m.name));
  }
  return out;
}

}  // namespace glmv
