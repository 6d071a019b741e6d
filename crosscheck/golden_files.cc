#include "crosscheck/golden_files.h"

#include <sys/mman.h>

#include "crosscheck/stages.h"
#include "data/checkpoint.h"
#include "data/file.h"

namespace glmv {
namespace {

bool is_safetensors(const std::string& file) { return file.ends_with(".safetensors"); }

std::string hash_of_bytes(const std::string& path) {
  const InputFile file = open_input(path);
  if (file.bytes == 0) return sha256_hex("", 0);
  void* data = ::mmap(nullptr, file.bytes, PROT_READ, MAP_PRIVATE, file.descriptor.get(), 0);
  if (data == MAP_FAILED) input_error(path, ": cannot be mapped, ", file.bytes, " bytes");
  std::string hash = sha256_hex(data, file.bytes);
  ::munmap(data, file.bytes);
  return hash;
}

Tensor tensor_on(const ConstTensorView& v) {
  Tensor t(v.dtype, v);
  convert(v, t.view);
  return t;
}

}  // namespace

GoldenHashes hash_file(const std::string& path) {
  GoldenHashes hashes;
  hashes.file = hash_of_bytes(path);
  if (!is_safetensors(path)) return hashes;
  const SafetensorsFile file = SafetensorsFile::open(path);
  for (const auto& [name, v] : file.tensors())
    hashes.tensors[name] = sha256_hex(v.data, static_cast<size_t>(v.bytes()));
  return hashes;
}

std::vector<GoldenFault> hash_faults(const GoldenPack& pack, const std::string& file) {
  const auto known = pack.hashes.find(file);
  if (known == pack.hashes.end()) return {{true, file, "", "is not in the manifest"}};
  const std::string path = golden_path(pack, file);
  std::string bytes;
  try {
    bytes = hash_of_bytes(path);
  } catch (const Error& e) {
    return {{true, file, "", e.what()}};
  }
  if (bytes == known->second.file) return {};
  std::vector<GoldenFault> faults;
  try {
    const GoldenHashes now = hash_file(path);
    for (const auto& [name, hash] : known->second.tensors) {
      const auto found = now.tensors.find(name);
      if (found == now.tensors.end())
        faults.push_back({true, file, name, "is missing"});
      else if (found->second != hash)
        faults.push_back(
            {true, file, name, concat("has other bytes: sha256 ", found->second, ", the manifest says ", hash)});
    }
  } catch (const Error& e) {  // the flipped byte is in the header
    return {{true, file, "", e.what()}};
  }
  if (faults.empty())
    faults.push_back({true, file, "", concat("has sha256 ", bytes, ", the manifest says ", known->second.file)});
  return faults;
}

void check_hash(const GoldenPack& pack, const std::string& file) {
  const std::vector<GoldenFault> faults = hash_faults(pack, file);
  if (faults.empty()) return;
  input_error(golden_path(pack, file), ": ", faults[0].point.empty() ? "" : faults[0].point + " ", faults[0].what);
}

Script script_of_golden(const GoldenPack& pack, const SafetensorsFile& file) {
  Theirs inputs;
  inputs.label = file.path();
  for (const auto& [name, v] : file.tensors()) {
    if (is_input(split_step(name).point)) inputs.points.emplace(name, v);
  }
  Script script = script_of(pack.model, inputs);
  script.forced.clear();
  return script;
}

Runs runs_of_golden(const SafetensorsFile& file, DType activation) {
  const std::string ours = concat(name_of(activation), "/");
  std::map<std::string, ConstTensorView, ForwardOrder> gold;
  std::map<std::string, std::map<std::string, ConstTensorView>> orders;
  for (const auto& [name, v] : file.tensors()) {
    if (name.rfind(kGoldPrefix, 0) == 0) gold.emplace(name.substr(kGoldPrefix.size()), v);
    if (name.rfind("order", 0) != 0) continue;
    const size_t slash = name.find('/');
    if (slash == std::string::npos || name.compare(slash + 1, ours.size(), ours) != 0) continue;
    orders[name.substr(0, slash)].emplace(name.substr(slash + 1 + ours.size()), v);
  }
  Runs runs;
  runs.activation = activation;
  for (const auto& [name, v] : file.tensors()) {
    if (is_input(split_step(name).point)) runs.gold.add(name, tensor_on(v));
  }
  for (const auto& [name, v] : gold) {
    const auto run = file.tensors().find(ours + name);
    if (run == file.tensors().end())
      input_error(file.path(), ": tensor ", ours, name, " is missing beside gold/", name);
    if (!equal_extents(run->second, v))
      input_error(file.path(), ": ", ours, name, " is ", run->second, ", gold/", name, " ", v);
    runs.gold.add(name, tensor_on(v));
    runs.ours.add(name, tensor_on(run->second));
    runs.all_points.push_back(name);
  }
  for (const auto& [order, points] : orders) {
    Recording recording;
    for (const auto& [name, v] : points) {
      if (!runs.gold.has(name) || !equal_extents(runs.gold.get(name).view, v))
        input_error(file.path(), ": ", order, "/", ours, name, " is ", v, ", which fits no gold/", name);
      recording.add(name, tensor_on(v));
    }
    runs.other_orders.push_back(std::move(recording));
  }
  return runs;
}

}  // namespace glmv
