// Folders that engines dump into. The layout of names tells which one it is; every file in it is read by its content.
#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>

#include "crosscheck/adapters/foreign.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

namespace fs = std::filesystem;
constexpr size_t kMostFiles = 50'000;  // each is a mapping, and a process may have some 65,000

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }
bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// A file and the name of its tensor, if the file's name says it.
struct Found {
  fs::path path;
  std::string name;
  int64_t shard = -1, step = 0;
};

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(it->path());
    if (entries.size() > kMostFiles) input_error(folder.string(), ": more than ", kMostFiles, " files");
  }
  if (error) input_error(folder.string(), ": cannot be listed: ", error.message());
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files = entries_of(folder);
  files.erase(std::remove_if(files.begin(), files.end(), [](const fs::path& p) { return !fs::is_regular_file(p); }),
              files.end());
  return files;
}

/// The digits behind `key`, if it is in the text.
std::optional<int64_t> number_behind(const std::string& text, const std::string& key) {
  const size_t at = text.find(key);
  if (at == std::string::npos) return {};
  const size_t begin = at + key.size();
  size_t end = begin;
  while (end < text.size() && end - begin < 9 && text[end] >= '0' && text[end] <= '9') ++end;
  if (end == begin) return {};
  return std::stoll(text.substr(begin, end - begin));
}

/// Takes over the tensors of one file of the folder.
void merge(ForeignTensors& into, const ForeignTensors& file, const std::string& prefix, const std::string& suffix) {
  for (const auto& [name, view] : file.tensors) {
    const std::string full = prefix.empty() ? name + suffix : prefix + suffix;
    into.add(full, view);
  }
  into.owners.insert(into.owners.end(), file.owners.begin(), file.owners.end());
}

/// One tensor per file, called as the file's name says.
void merge_single(ForeignTensors& into, const Found& found) {
  ForeignTensors file = read_foreign(found.path.string());
  if (file.tensors.size() > 1 && file.tensors.count("value") > 0) {
    const ConstTensorView value = file.tensors.at("value");
    file.tensors = {{"value", value}};
  }
  if (file.tensors.empty()) return;
  if (file.tensors.size() != 1) {
    input_error(found.path.string(), ": ", file.tensors.size(), " tensors, expected one");
  }
  const std::string suffix = found.shard < 0 ? "" : concat('#', found.shard);
  merge(into, file, found.name, suffix);
}

/// Ranks are told apart only if there are several.
void forget_single_rank(std::vector<Found>& found) {
  const bool several = std::any_of(found.begin(), found.end(), [](const Found& f) { return f.shard > 0; });
  if (several) return;
  for (Found& f : found) f.shard = -1;
}

/// Only the first step or pass is read: what later ones were fed is not in such dumps.
void keep_first_step(std::vector<Found>& found, ForeignTensors& out) {
  if (found.empty()) return;
  int64_t first = found[0].step;
  for (const Found& f : found) first = std::min(first, f.step);
  const size_t before = found.size();
  found.erase(std::remove_if(found.begin(), found.end(), [&](const Found& f) { return f.step != first; }), found.end());
  if (found.size() < before)
    out.warnings.push_back(concat(out.path, ": ", before - found.size(), " files of steps after ", first,
                                  " were not read; to judge another pass, name its file or a folder of its own"));
}

// ---- Hugging Face model debugger ----

std::string debugged_class(const std::vector<fs::path>& files) {
  for (const char* ending : {"_debug_tree_FULL_TENSORS.json", "_debug_tree_SUMMARY.json", "_debug_tree.json"}) {
    for (const fs::path& file : files) {
      const std::string name = file.filename().string();
      if (ends_with(name, ending)) return name.substr(0, name.size() - std::string_view(ending).size());
    }
  }
  return "";
}

ForeignTensors read_debugger(const std::string& path, const std::string& model, const std::vector<fs::path>& files) {
  ForeignTensors out;
  out.path = path;
  out.format = concat("files of the Hugging Face debugger for ", model);
  for (const fs::path& file : files) {
    std::string name = file.filename().string();
    constexpr std::string_view kEnding = ".safetensors";
    if (!ends_with(name, kEnding) || !starts_with(name, model)) continue;
    name = name.substr(model.size(), name.size() - model.size() - kEnding.size());
    if (name.size() < 2) continue;
    merge_single(out, {file, name.substr(1), -1, 0});
  }
  if (out.tensors.empty())
    input_error(path,
                ": the debugger's tree is there, but no tensors: call it with use_repr=False and "
                "do_prune_layers=False");
  return out;
}

// ---- SGLang's dumper: KEY=VALUE___KEY=VALUE.pt ----

bool is_sglang_dump(const fs::path& file) {
  const std::string name = file.filename().string();
  return ends_with(name, ".pt") && name.find("___name=") != std::string::npos;
}

std::string field_of(const std::string& text, const std::string& key) {
  const size_t at = text.find(key);
  if (at == std::string::npos) return "";
  const size_t begin = at + key.size();
  return text.substr(begin, text.find("___", begin) - begin);
}

ForeignTensors read_sglang_dump(const std::string& path, const std::vector<fs::path>& files) {
  ForeignTensors out;
  out.path = path;
  out.format = "files of SGLang's dumper";
  std::vector<Found> found;
  for (const fs::path& file : files) {
    if (!is_sglang_dump(file)) continue;
    const std::string text = "___" + file.stem().string();
    Found f{file, field_of(text, "___name="), number_behind(text, "___rank=").value_or(-1),
            number_behind(text, "___step=").value_or(0)};
    const std::string layer = field_of(text, "___layer_id=");
    if (!layer.empty() && f.name.find(layer) == std::string::npos) f.name += '.' + layer;
    found.push_back(f);
  }
  keep_first_step(found, out);
  forget_single_rank(found);
  std::set<std::pair<std::string, int64_t>> seen;
  int64_t repeated = 0;
  for (const Found& f : found) {
    if (seen.insert({f.name, f.shard}).second) {
      merge_single(out, f);
    } else {
      ++repeated;
    }
  }
  if (repeated > 0)
    out.warnings.push_back(concat(path, ": ", repeated, " files dump a name again; the first was read"));
  return out;
}

// ---- SGLang's forward hooks: TP0_PP0_Rank0_pid123/Pass00000.pt ----

bool is_pass_folder(const fs::path& p) {
  const std::string name = p.filename().string();
  return starts_with(name, "TP") && name.find("_Rank") != std::string::npos && fs::is_directory(p);
}

ForeignTensors read_passes(const std::string& path, const std::vector<fs::path>& folders) {
  ForeignTensors out;
  out.path = path;
  out.format = "passes of SGLang's forward hooks";
  std::vector<Found> found;
  for (const fs::path& folder : folders) {
    for (const fs::path& file : files_of(folder)) {
      const std::string name = file.filename().string();
      if (!starts_with(name, "Pass")) continue;
      found.push_back({file, "", number_behind(folder.filename().string(), "TP").value_or(0),
                       number_behind(name, "Pass").value_or(0)});
    }
  }
  keep_first_step(found, out);
  forget_single_rank(found);
  for (const Found& f : found) merge(out, read_foreign(f.path.string()), "", f.shard < 0 ? "" : concat('#', f.shard));
  return out;
}

// ---- anything else: every file of tensors in it ----

bool is_tensor_file(const fs::path& file) {
  static const std::set<std::string> known = {".safetensors", ".pt", ".pth", ".bin", ".npy", ".npz"};
  return known.count(file.extension().string()) > 0;
}

ForeignTensors read_loose(const std::string& path, const std::vector<fs::path>& files) {
  ForeignTensors out;
  out.path = path;
  std::vector<Found> found;
  for (const fs::path& file : files) {
    if (!is_tensor_file(file)) continue;
    const std::string stem = file.stem().string();
    const size_t rank = stem.rfind(".rank");
    const bool shard = rank != std::string::npos && number_behind(stem.substr(rank), ".rank").has_value();
    found.push_back({file, "", shard ? *number_behind(stem.substr(rank), ".rank") : -1, 0});
  }
  forget_single_rank(found);
  for (const Found& f : found) {
    const ForeignTensors file = read_foreign(f.path.string());
    merge(out, file, "", f.shard < 0 ? "" : concat('#', f.shard));
    for (const auto& [key, value] : file.metadata) out.metadata.emplace(key, value);
  }
  out.format = concat(found.size(), " files of tensors");
  return out;
}

}  // namespace

ForeignTensors read_folder(const std::string& path) {
  std::vector<fs::path> files = files_of(path);
  const std::string model = debugged_class(files);
  if (!model.empty()) return read_debugger(path, model, files);
  std::vector<fs::path> folders = entries_of(path);
  folders.erase(std::remove_if(folders.begin(), folders.end(), [](const fs::path& p) { return !fs::is_directory(p); }),
                folders.end());
  const bool passes = std::any_of(folders.begin(), folders.end(), is_pass_folder);
  if (passes) {
    folders.erase(std::remove_if(folders.begin(), folders.end(), [](const fs::path& p) { return !is_pass_folder(p); }),
                  folders.end());
    return read_passes(path, folders);
  }
  if (is_pass_folder(path)) return read_passes(path, {path});
  if (std::any_of(files.begin(), files.end(), is_sglang_dump)) return read_sglang_dump(path, files);
  ForeignTensors out = read_loose(path, files);
  if (!out.tensors.empty()) return out;
  // The dumper makes a folder of its own in the one that it is given.
  if (folders.size() == 1) return read_folder(folders[0].string());
  input_error(path, ": no file of tensors in this folder");
}

}  // namespace glmv
