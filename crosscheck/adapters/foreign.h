// Files of tensors that other programs write, read as they are: names and layouts stay the stranger's.
//
// What a file is, is told from its content and never from its name. Layouts are undone later (crosscheck/layout.h).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/safetensors.h"
#include "reference/core/arena.h"

namespace glmv {

/// The tensors of a file or a folder.
struct ForeignTensors {
  std::string path;
  std::string format;  ///< for people: "safetensors", "torch.save archive", ...
  std::map<std::string, ConstTensorView> tensors;
  std::map<std::string, std::string> metadata;
  std::vector<std::string> notes;                   ///< how it was read, one sentence each
  std::vector<std::string> warnings;                ///< what was left out
  std::vector<std::shared_ptr<const void>> owners;  ///< keep the views alive

  /// Error (exit code 3) if the name is taken.
  void add(const std::string& name, const ConstTensorView& view);
};

/// Reads a file (safetensors, torch.save archive, npy, npz) or a folder of them: the dumps of the Hugging Face debugger
/// and of SGLang's dumper, the shards that several ranks wrote, one file per tensor. Error: exit code 3, also for
/// formats that we know and that hold no tensors (llama.cpp's printed log, a GGUF file, an old torch.save file).
ForeignTensors read_foreign(const std::string& path);

/// Control characters as \x1b: names of a file go to terminals. UTF-8 else stays as it is.
std::string printable(std::string_view text);

/// A file that is open already.
ForeignTensors foreign_from(const SafetensorsFile& file);

// ---- one format each; `name` is what tensors without a name of their own are called ----

ForeignTensors read_safetensors(const std::string& path);
ForeignTensors read_torch_archive(const std::string& path);
ForeignTensors read_npy(const std::string& path, const std::string& name);
ForeignTensors read_npz(const std::string& path);
/// A folder: which dump it is, is told from the names in it.
ForeignTensors read_folder(const std::string& path);

// ---- for the readers ----

/// How elements lie in a file. Integers that we have no type for are widened to i64.
struct StoredType {
  DType dtype = DType::f32;  ///< as it is, or what it is widened to
  int bytes = 4;             ///< of an element in the file
  bool is_signed = true;     ///< of an integer; unsigned ones of 8 bytes are read as signed, if they are below 2^63
  bool widened() const { return static_cast<size_t>(bytes) != size_of(dtype); }
};

/// The view of elements at `data` with these extents and strides (counted in elements, >= 0); copied where the address
/// does not suit the type. Error (exit code 3): more than five axes, negative numbers, an element outside of `data`,
/// or more than 64 times as many elements as there are.
ConstTensorView stored_view(ForeignTensors& into, const std::string& where, std::string_view data,
                            const StoredType& type, const std::vector<int64_t>& dims,
                            const std::vector<int64_t>& strides);

/// Strides of a row-major (or column-major) tensor. Error (exit code 3) for extents whose product overflows.
std::vector<int64_t> packed_strides(const std::vector<int64_t>& dims, bool column_major, const std::string& where);

}  // namespace glmv
