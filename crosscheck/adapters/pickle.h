// Python's pickles, read and not run: the opcodes that torch.save emits, on values that are plain data.
//
// A pickle is a program for a stack machine, and GLOBAL with REDUCE lets it call any function of any module. Here those
// two build values of a fixed list of kinds, and every other name is an error. Nothing is imported and nothing called.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace glmv {

struct PickleValue;
using PickleRef = PickleValue*;

/// A value of Python as far as files of tensors hold such.
struct PickleValue {
  enum class Kind : uint8_t {
    none,
    boolean,
    integer,
    real,
    text,
    list,    ///< list, tuple, set or torch.Size
    dict,    ///< dict or OrderedDict, in order
    global,  ///< a name of the whitelist, "torch FloatStorage"
    stored,  ///< a storage in the file: items are what the persistent id holds
    tensor,  ///< items are the arguments of the function that text names, _rebuild_tensor_v2 or _v3
    mark     ///< of the stack machine; never in a result
  };
  Kind kind = Kind::none;
  int64_t integer = 0;  ///< a boolean is 0 or 1
  double real = 0;
  std::string text;
  std::vector<PickleRef> items;
  std::vector<std::pair<PickleRef, PickleRef>> entries;
};

/// What a pickle holds. The values own nothing but their own vectors: they may share one another and form circles, so
/// whoever walks them must bound the depth and the number of steps.
struct Pickle {
  std::deque<PickleValue> values;
  PickleRef root = nullptr;
};

/// Error (exit code 3), which names what was refused, for any other opcode or global, for a pickle that ends early or
/// does not end, and for more than a million values.
Pickle read_pickle(std::string_view bytes, const std::string& where);

}  // namespace glmv
