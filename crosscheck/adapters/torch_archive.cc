// torch.save's archive: a zip with data.pkl, which says what the tensors are, and data/0, data/1 ..: their storages.
#include <algorithm>
#include <map>

#include "crosscheck/adapters/foreign.h"
#include "crosscheck/adapters/pickle.h"
#include "crosscheck/adapters/zip.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using Kind = PickleValue::Kind;
constexpr int kMostLevels = 32;
constexpr int64_t kMostSteps = 1'000'000;

const std::map<std::string, StoredType>& storage_types() {
  static const std::map<std::string, StoredType> known = {
      {"torch DoubleStorage", {DType::f64, 8, true}}, {"torch FloatStorage", {DType::f32, 4, true}},
      {"torch HalfStorage", {DType::f16, 2, true}},   {"torch BFloat16Storage", {DType::bf16, 2, true}},
      {"torch LongStorage", {DType::i64, 8, true}},   {"torch IntStorage", {DType::i32, 4, true}},
      {"torch ShortStorage", {DType::i64, 2, true}},  {"torch CharStorage", {DType::i64, 1, true}},
      {"torch ByteStorage", {DType::u8, 1, false}},   {"torch BoolStorage", {DType::u8, 1, false}},
  };
  return known;
}

/// Types that no storage is named after: such a tensor names its type itself, and its storage is bytes.
const std::map<std::string, StoredType>& named_types() {
  static const std::map<std::string, StoredType> known = {
      {"torch uint16", {DType::i64, 2, false}},
      {"torch uint32", {DType::i64, 4, false}},
      {"torch uint64", {DType::i64, 8, false}},
      {"torch float8_e4m3fn", {DType::f8e4m3, 1, true}},
  };
  return known;
}

/// Walks the value of data.pkl: names are the keys on the way, joined by dots.
class Collector {
 public:
  Collector(ForeignTensors& out, std::string root, const std::map<std::string, ZipMember>& members)
      : out_(out), root_(std::move(root)), members_(members) {}

  void walk(const std::string& name, const PickleValue& value, int level) {
    if (level > kMostLevels) input_error(out_.path, ": ", name, ": more than ", kMostLevels, " levels");
    if (++steps_ > kMostSteps) input_error(out_.path, ": ", name, ": more than ", kMostSteps, " values to walk");
    switch (value.kind) {
      case Kind::tensor: return add_tensor(name, value);
      case Kind::dict: return walk_dict(name, value, level);
      case Kind::list:
        for (size_t i = 0; i < value.items.size(); ++i)
          walk(joined(name, std::to_string(i)), *value.items[i], level + 1);
        return;
      default: return add_metadata(name, value);
    }
  }

 private:
  static std::string joined(const std::string& name, const std::string& key) {
    return name.empty() ? key : name + '.' + key;
  }
  void walk_dict(const std::string& name, const PickleValue& dict, int level) {
    for (const auto& [key, value] : dict.entries) {
      if (key->kind != Kind::text && key->kind != Kind::integer)
        input_error(out_.path, ": ", name, ": a key that is neither text nor an integer");
      walk(joined(name, key->kind == Kind::text ? key->text : std::to_string(key->integer)), *value, level + 1);
    }
  }
  void add_metadata(const std::string& name, const PickleValue& value) {
    if (name.empty()) input_error(out_.path, ": holds no tensors");
    if (value.kind == Kind::text) out_.metadata.emplace(name, value.text);
    if (value.kind == Kind::integer) out_.metadata.emplace(name, std::to_string(value.integer));
  }

  int64_t integer(const PickleValue& value, const std::string& where, const char* field) const {
    if (value.kind != Kind::integer) input_error(where, ": ", field, " is no integer");
    return value.integer;
  }
  std::vector<int64_t> integers(const PickleValue& value, const std::string& where, const char* field) const {
    if (value.kind != Kind::list) input_error(where, ": ", field, " is no tuple");
    if (value.items.size() > static_cast<size_t>(kMaxRank))
      input_error(where, ": ", field, " has ", value.items.size(), " axes, at most ", kMaxRank, " are read");
    std::vector<int64_t> numbers;
    for (const PickleRef item : value.items) numbers.push_back(integer(*item, where, field));
    return numbers;
  }

  static bool names_its_type(const PickleValue& tensor) { return tensor.text == "torch._utils _rebuild_tensor_v3"; }

  StoredType type_of(const PickleValue& tensor, const PickleValue& storage_kind, const std::string& where) const {
    const bool own = names_its_type(tensor);
    const PickleValue& kind = own ? *tensor.items[6] : storage_kind;
    const auto& types = own ? named_types() : storage_types();
    const auto known = types.find(kind.text);
    const bool of_bytes = !own || storage_kind.text == "torch.storage UntypedStorage";
    if (kind.kind != Kind::global || known == types.end() || !of_bytes)
      input_error(where, ": a storage of type ", of_bytes ? kind.text : storage_kind.text, ", which we do not read");
    return known->second;
  }

  /// The member that a storage lies in: ('storage', type, key, device, elements). A storage without a type counts
  /// bytes.
  std::string_view storage(const PickleValue& tensor, const std::string& where, StoredType& type) {
    const PickleValue& value = *tensor.items[0];
    if (value.kind != Kind::stored || value.items.size() != 5) input_error(where, ": has no storage");
    const PickleValue& key = *value.items[2];
    type = type_of(tensor, *value.items[1], where);
    const int unit = names_its_type(tensor) ? 1 : type.bytes;
    if (key.kind != Kind::text) input_error(where, ": the storage's key is no text");
    const auto member = members_.find(concat(root_, "data/", key.text));
    if (member == members_.end()) input_error(where, ": the storage data/", key.text, " is not in the file");
    const int64_t elements = integer(*value.items[4], where, "storage elements");
    const std::string_view bytes = bytes_of(member->second);
    if (elements < 0 || static_cast<uint64_t>(elements) > bytes.size() / static_cast<uint64_t>(unit))
      input_error(where, ": a storage of ", elements, " elements, but data/", key.text, " has ", bytes.size(),
                  " bytes");
    return bytes.substr(0, static_cast<size_t>(elements * unit));
  }
  /// Inflated at most once, and its checksum looked at once.
  std::string_view bytes_of(const ZipMember& member) {
    const auto known = read_.find(member.name);
    if (known != read_.end()) return known->second;
    auto inflated = std::make_shared<std::string>();
    const std::string_view bytes = member_bytes(member, out_.path, *inflated);
    out_.owners.push_back(inflated);
    return read_[member.name] = bytes;
  }

  void add_tensor(const std::string& name, const PickleValue& tensor) {
    const std::string own = name.empty() ? "tensor" : name, where = concat(out_.path, ": ", own);
    StoredType type;
    const std::string_view bytes = storage(tensor, where, type);
    const int64_t offset = integer(*tensor.items[1], where, "offset");
    if (offset < 0 || static_cast<uint64_t>(offset) > bytes.size() / static_cast<uint64_t>(type.bytes))
      input_error(where, ": offset ", offset, " lies outside of its storage");
    const ConstTensorView view =
        stored_view(out_, where, bytes.substr(static_cast<size_t>(offset * type.bytes)), type,
                    integers(*tensor.items[2], where, "size"), integers(*tensor.items[3], where, "stride"));
    out_.add(own, is_negated(tensor, where) ? negated(view, where) : view);
  }

  /// Torch negates and conjugates lazily: the storage is as it was, and the tensor's metadata say what it stands for.
  static bool is_negated(const PickleValue& tensor, const std::string& where) {
    const size_t at = names_its_type(tensor) ? 7 : 6;
    if (tensor.items.size() <= at || tensor.items[at]->kind == Kind::none) return false;
    if (tensor.items[at]->kind != Kind::dict) input_error(where, ": metadata is no dict");
    bool negative = false;
    for (const auto& [key, value] : tensor.items[at]->entries) {
      if (key->kind != Kind::text || (key->text != "neg" && key->text != "conj"))
        input_error(where, ": metadata has ", key->kind == Kind::text ? key->text : "a key that is no text",
                    "; known are neg and conj");
      if (value->kind != Kind::boolean) input_error(where, ": metadata ", key->text, " is neither True nor False");
      if (key->text == "conj" && value->integer != 0)
        input_error(where, ": metadata conj is True: complex tensors are not read");
      if (key->text == "neg") negative = value->integer != 0;
    }
    return negative;
  }
  ConstTensorView negated(const ConstTensorView& view, const std::string& where) {
    if (!is_float(view.dtype)) input_error(where, ": metadata neg is True, and it is ", view, ": floats only");
    Tensor values(DType::f64, view), out(view.dtype, view);
    convert(view, values.view);
    for (int64_t i = 0; i < view.size(); ++i) values.data<double>()[i] = -values.data<double>()[i];
    convert(values.view, out.view);
    out_.owners.push_back(out.storage);
    return out.view;
  }

  ForeignTensors& out_;
  std::string root_;
  const std::map<std::string, ZipMember>& members_;
  std::map<std::string, std::string_view> read_;
  int64_t steps_ = 0;
};

void check_byte_order(const std::map<std::string, ZipMember>& members, const std::string& root,
                      const std::string& path) {
  const auto order = members.find(root + "byteorder");
  if (order == members.end()) return;  // before torch 2.1 it was not told, and little
  std::string inflated;
  const std::string_view told = member_bytes(order->second, path, inflated);
  if (told != "little") input_error(path, ": byteorder is ", told, ", read is little");
}

}  // namespace

ForeignTensors read_torch_archive(const std::string& path) {
  const MappedFile file(path);
  std::map<std::string, ZipMember> members;
  std::string root;
  bool found = false;
  for (ZipMember& m : zip_members(file.bytes(), path)) {
    constexpr std::string_view kPickle = "data.pkl";
    const size_t slash = m.name.rfind('/') + 1;  // npos + 1 is 0
    if (m.name.substr(slash) == kPickle) {
      if (found) input_error(path, ": two data.pkl");
      found = true, root = m.name.substr(0, slash);
    }
    const std::string name = m.name;
    members[name] = std::move(m);
  }
  if (!found) input_error(path, ": a zip archive that is neither torch.save's (no data.pkl) nor numpy.savez's");
  check_byte_order(members, root, path);
  ForeignTensors out;
  out.path = path;
  out.format = "torch.save archive";
  out.owners.push_back(file.owner());
  std::string inflated;
  const Pickle pickle = read_pickle(member_bytes(members.at(root + "data.pkl"), path, inflated), path);
  Collector(out, root, members).walk("", *pickle.root, 0);
  return out;
}

}  // namespace glmv
