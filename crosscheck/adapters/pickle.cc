// A stack machine that can only build data. Every step consumes input and copies no more than it consumed, so that the
// work grows with the file and not with what the file claims.
#include "crosscheck/adapters/pickle.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>

#include "crosscheck/adapters/bytes.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

using Kind = PickleValue::Kind;
constexpr size_t kMostValues = 1'000'000;
constexpr int64_t kMostMemo = 1'000'000;
constexpr size_t kMostArguments = 16;  // of a call: torch passes up to seven, and they are copied

/// What torch.save refers to by name: functions and classes that stand for data, and element types.
bool is_known_global(const std::string& module, const std::string& name) {
  static const std::set<std::string> known = {
      "collections OrderedDict",
      "torch Size",
      "torch device",
      "torch._utils _rebuild_tensor_v2",
      "torch._utils _rebuild_tensor_v3",
      "torch._utils _rebuild_parameter",
      "torch.storage UntypedStorage",
  };
  static const std::set<std::string> types = {
      "float64", "double", "float32", "float", "float16", "half", "bfloat16",      "int64",  "long",   "int32",
      "int",     "int16",  "short",   "int8",  "uint8",   "bool", "float8_e4m3fn", "uint16", "uint32", "uint64",
  };
  if (known.count(module + ' ' + name) > 0) return true;
  if (module != "torch") return false;
  constexpr std::string_view kStorage = "Storage";
  const bool storage = name.size() > kStorage.size() && name.substr(name.size() - kStorage.size()) == kStorage &&
                       std::all_of(name.begin(), name.end(), [](char c) { return std::isalnum(c) != 0; });
  return storage || types.count(name) > 0;
}

class Machine {
 public:
  Machine(std::string_view bytes, const std::string& where) : in_(bytes, where) {}

  Pickle run() {
    while (step()) {
    }
    if (stack_.size() != 1 || top()->kind == Kind::mark) fail("ends with ", stack_.size(), " values, not one");
    made_.root = top();
    return std::move(made_);
  }

 private:
  template <class... Parts>
  [[noreturn]] void fail(const Parts&... parts) const {
    input_error(in_.where(), ": pickle at byte ", in_.at(), ": ", parts...);
  }

  PickleRef make(Kind kind) {
    if (made_.values.size() == kMostValues) fail("more than ", kMostValues, " values");
    made_.values.emplace_back().kind = kind;
    return &made_.values.back();
  }
  void push(PickleRef value) { stack_.push_back(value); }
  PickleRef& top() {
    if (stack_.empty()) fail("the stack is empty");
    return stack_.back();
  }
  PickleRef pop() {
    PickleRef value = top();
    if (value->kind == Kind::mark) fail("a mark where a value belongs");
    stack_.pop_back();
    return value;
  }
  PickleRef container(Kind kind) {
    if (top()->kind != kind)
      fail(kind == Kind::list ? "appends to what is no list" : "sets an item of what is no dict");
    return top();
  }
  /// What lies above the last mark, which goes too.
  std::vector<PickleRef> above_mark() {
    std::vector<PickleRef> values;
    while (top()->kind != Kind::mark) values.push_back(pop());
    stack_.pop_back();
    std::reverse(values.begin(), values.end());
    return values;
  }

  void push_integer(int64_t n) {
    push(make(Kind::integer));
    top()->integer = n;
  }
  void push_boolean(bool b) {
    push(make(Kind::boolean));
    top()->integer = b;
  }
  void push_text(uint64_t bytes) {
    push(make(Kind::text));
    top()->text = in_.take(bytes, "text");
  }
  void push_list(std::vector<PickleRef> items) {
    push(make(Kind::list));
    top()->items = std::move(items);
  }
  void push_real() {
    uint64_t bits = 0;  // the one number that is big-endian
    for (const char c : in_.take(8, "float")) bits = bits << 8 | static_cast<unsigned char>(c);
    push(make(Kind::real));
    top()->real = std::bit_cast<double>(bits);
  }
  void push_long(uint64_t bytes) {
    if (bytes > 8) fail("an integer of ", bytes, " bytes");
    if (bytes == 0) return push_integer(0);
    const auto raw = in_.number(static_cast<int>(bytes), "integer");
    const auto unused = static_cast<int>(64 - 8 * bytes);
    push_integer(static_cast<int64_t>(raw << unused) >> unused);
  }
  void push_global(const std::string& module, const std::string& name) {
    if (!is_known_global(module, name))
      fail("refers to ", module, '.', name, ", which no file of tensors needs; nothing was run");
    push(make(Kind::global));
    top()->text = module + ' ' + name;
  }

  void remember(int64_t place) {
    if (place < 0 || place > kMostMemo) fail("memo place ", place);
    memo_[place] = top();
  }
  void recall(int64_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) fail("memo place ", place, " was never filled");
    push(found->second);
  }

  void set_items(const std::vector<PickleRef>& values) {
    PickleRef dict = container(Kind::dict);
    if (values.size() % 2 != 0) fail("a key without a value");
    for (size_t i = 0; i < values.size(); i += 2) dict->entries.emplace_back(values[i], values[i + 1]);
  }
  void append(const std::vector<PickleRef>& values) {
    PickleRef list = container(Kind::list);
    list->items.insert(list->items.end(), values.begin(), values.end());
  }

  /// REDUCE: the value that a known name stands for.
  void reduce() {
    const PickleRef arguments = pop(), callee = pop();
    if (callee->kind != Kind::global || arguments->kind != Kind::list) fail("calls what is no function of the list");
    const std::string& name = callee->text;
    const std::vector<PickleRef>& given = arguments->items;
    if (given.size() > kMostArguments) fail("calls ", name, " with ", given.size(), " arguments");
    if (name == "collections OrderedDict") return push(make(Kind::dict));
    if (name == "torch Size" || name == "torch device") {
      if (given.empty()) fail(name, " without arguments");
      return push(given[0]);
    }
    if (name == "torch._utils _rebuild_parameter") {
      if (given.empty() || given[0]->kind != Kind::tensor) fail("a parameter that is no tensor");
      return push(given[0]);
    }
    if (name == "torch._utils _rebuild_tensor_v2") return rebuild(name, given, 4, 7);
    if (name == "torch._utils _rebuild_tensor_v3") return rebuild(name, given, 7, 8);
    fail("calls ", name);
  }
  void rebuild(const std::string& name, const std::vector<PickleRef>& given, size_t fewest, size_t most) {
    if (given.size() < fewest || given.size() > most) fail(name, " with ", given.size(), " arguments");
    push(make(Kind::tensor));
    top()->text = name;
    top()->items = given;
  }
  void persistent() {
    const PickleRef id = pop();
    if (id->kind != Kind::list || id->items.size() > kMostArguments) fail("a persistent id that is no short tuple");
    push(make(Kind::stored));
    top()->items = id->items;
  }
  void tuple(size_t n) {
    std::vector<PickleRef> items;
    for (size_t i = 0; i < n; ++i) items.push_back(pop());
    std::reverse(items.begin(), items.end());
    push_list(std::move(items));
  }
  void stack_global() {
    const PickleRef name = pop(), module = pop();
    if (name->kind != Kind::text || module->kind != Kind::text) fail("a global whose name is no text");
    push_global(module->text, name->text);
  }
  void global() {
    const std::string module(in_.line("module")), name(in_.line("name"));
    push_global(module, name);
  }
  void set_item() {
    const PickleRef value = pop(), key = pop();
    set_items({key, value});
  }
  void append_one() {
    const PickleRef value = pop();
    append({value});
  }
  void set_items_above_mark() {
    const std::vector<PickleRef> values = above_mark();
    set_items(values);
  }
  void append_above_mark() {
    const std::vector<PickleRef> values = above_mark();
    append(values);
  }
  void dict_above_mark() {
    const std::vector<PickleRef> values = above_mark();
    push(make(Kind::dict));
    set_items(values);
  }
  /// BUILD gives an object its attributes (of a state dict its versions): not data of ours.
  void build() {
    pop();
    if (top()->kind != Kind::dict) fail("gives attributes to what is no dict");
  }

  bool step() {  // NOLINT(readability-function-size): one line per opcode
    const auto code = static_cast<char>(in_.u8("opcode"));
    switch (code) {
      case '.': return false;
      case '\x80': check_protocol(in_.u8("protocol")); break;
      case '\x95': in_.u64("frame"); break;
      case '(': push(make(Kind::mark)); break;
      case '0': pop(); break;
      case '2': push(top()); break;
      case 'N': push(make(Kind::none)); break;
      case '\x88': push_boolean(true); break;
      case '\x89': push_boolean(false); break;
      case 'K': push_integer(static_cast<int64_t>(in_.u8("integer"))); break;
      case 'M': push_integer(static_cast<int64_t>(in_.u16("integer"))); break;
      case 'J': push_integer(static_cast<int32_t>(in_.u32("integer"))); break;
      case '\x8a': push_long(in_.u8("length")); break;
      case 'G': push_real(); break;
      case 'X': push_text(in_.u32("length")); break;
      case '\x8c': push_text(in_.u8("length")); break;
      case '\x8d': push_text(in_.u64("length")); break;
      case ')':
      case ']':
      case '\x8f': push_list({}); break;
      case '}': push(make(Kind::dict)); break;
      case 't':
      case 'l': push_list(above_mark()); break;
      case 'd': dict_above_mark(); break;
      case '\x85': tuple(1); break;
      case '\x86': tuple(2); break;
      case '\x87': tuple(3); break;
      case 'a': append_one(); break;
      case 'e':
      case '\x90': append_above_mark(); break;
      case 's': set_item(); break;
      case 'u': set_items_above_mark(); break;
      case 'q': remember(static_cast<int64_t>(in_.u8("memo"))); break;
      case 'r': remember(static_cast<int64_t>(in_.u32("memo"))); break;
      case '\x94': remember(static_cast<int64_t>(memo_.size())); break;
      case 'h': recall(static_cast<int64_t>(in_.u8("memo"))); break;
      case 'j': recall(static_cast<int64_t>(in_.u32("memo"))); break;
      case 'c': global(); break;
      case '\x93': stack_global(); break;
      case 'R': reduce(); break;
      case 'Q': persistent(); break;
      case 'b': build(); break;
      default: fail("opcode ", static_cast<int>(static_cast<unsigned char>(code)), " is none that torch.save writes");
    }
    if (stack_.size() > kMostValues) fail("more than ", kMostValues, " values on the stack");
    return true;
  }
  void check_protocol(uint64_t protocol) {
    if (protocol < 2 || protocol > 5) fail("protocol ", protocol, ", known are 2 to 5");
  }

  ByteReader in_;
  std::vector<PickleRef> stack_;
  std::map<int64_t, PickleRef> memo_;
  Pickle made_;
};

}  // namespace

Pickle read_pickle(std::string_view bytes, const std::string& where) { return Machine(bytes, where).run(); }

}  // namespace glmv
