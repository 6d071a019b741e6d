// Reading a pack. Everything in it comes from outside.
#include "crosscheck/golden_pack.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "crosscheck/golden_files.h"
#include "data/file.h"
#include "data/json_file.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

/// A member of a JSON object, of the wanted type.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object.is_object()) input_error(where_, ": an object is wanted");
  }
  std::string text(const char* key) const {
    const Json& v = at(key);
    if (!v.is_string()) input_error(where_, ".", key, ": text is wanted");
    return v.get<std::string>();
  }
  int64_t number(const char* key) const {
    const Json& v = at(key);
    if (!v.is_number_integer() || v.get<int64_t>() < 0) input_error(where_, ".", key, ": a count is wanted");
    return v.get<int64_t>();
  }
  std::vector<std::string> texts(const char* key) const {
    const Json& v = at(key);
    if (!v.is_array()) input_error(where_, ".", key, ": a list is wanted");
    std::vector<std::string> out;
    for (const Json& item : v) {
      if (!item.is_string()) input_error(where_, ".", key, ": a list of texts is wanted");
      out.push_back(item.get<std::string>());
    }
    return out;
  }
  const Json& at(const char* key) const {
    const auto found = object_.find(key);
    if (found == object_.end()) input_error(where_, ": ", key, " is missing");
    return *found;
  }

 private:
  const Json& object_;
  std::string where_;
};

/// A file named in a manifest lies below the pack's folder.
void check_inside(const std::string& manifest, const std::string& file) {
  const fs::path path(file);
  bool inside = !file.empty() && path.is_relative();
  for (const fs::path& part : path) inside = inside && part != "..";
  if (!inside) input_error(manifest, ": file \"", file, "\" is not one below the pack's folder");
}

GoldenPrompt read_prompt(const Json& json, const std::string& where) {
  const Fields f(json, where);
  GoldenPrompt p;
  p.id = f.text("id"), p.what = f.text("what"), p.text = f.text("text"), p.file = f.text("file");
  p.images = f.texts("images"), p.videos = f.texts("videos"), p.noise_files = f.texts("noise_files");
  p.tokens = f.number("tokens"), p.steps = f.number("steps"), p.points = f.number("points");
  return p;
}

void read_hashes(const Json& json, const std::string& where, GoldenPack& pack) {
  if (!json.is_object()) input_error(where, ": an object is wanted");
  for (const auto& [file, entry] : json.items()) {
    check_inside(where, file);
    const Fields f(entry, concat(where, ".", file));
    GoldenHashes& hashes = pack.hashes[file];
    hashes.file = f.text("sha256");
    if (!entry.contains("tensors")) continue;
    for (const auto& [name, hash] : f.at("tensors").items()) {
      if (!hash.is_string()) input_error(where, ".", file, ".tensors.", name, ": text is wanted");
      hashes.tensors[name] = hash.get<std::string>();
    }
  }
}

/// What the judge needs of a model: its configuration and the routers' correction biases.
Model model_of_pack(const GoldenPack& pack) {
  Model model;
  model.dir = pack.dir;
  model.config = read_config(golden_path(pack, "config.json"));
  Weights& weights = model.weights;
  weights.layers.resize(static_cast<size_t>(model.config.text.num_layers));
  for (int64_t layer = 0; layer < model.config.text.num_layers; ++layer) {
    if (!model.config.text.is_moe_layer(layer)) continue;
    const std::string name = correction_bias_name(layer);
    if (!pack.router.has(name)) input_error(pack.router.path(), ": tensor ", name, " is missing");
    const ConstTensorView bias = pack.router.get(name);
    if (!is_float(bias.dtype) || bias.rank != 1 || bias.dim[0] != model.config.text.num_experts)
      input_error(pack.router.path(), ": ", name, " is ", bias, ", expected floats [", model.config.text.num_experts,
                  "]");
    weights.layers[static_cast<size_t>(layer)].moe.correction_bias.data = bias;
  }
  return model;
}

}  // namespace

std::string golden_path(const GoldenPack& pack, const std::string& file) {
  return (fs::path(pack.dir) / file).string();
}

std::string correction_bias_name(int64_t layer) { return concat("layers.", layer, ".correction_bias"); }

GoldenPack GoldenPack::open(const std::string& dir) {
  GoldenPack pack;
  pack.dir = dir;
  pack.name = fs::path(dir).lexically_normal().filename().string();
  if (pack.name.empty()) pack.name = fs::path(dir).lexically_normal().parent_path().filename().string();
  const std::string path = golden_path(pack, "manifest.json");
  const Json root = parse_json_object(read_file(path), path);
  const Fields f(root, path);
  if (f.text("schema") != "glmv.golden/1")
    input_error(path, ": schema is \"", f.text("schema"), "\", expected glmv.golden/1");
  pack.model_sha256 = f.text("model_sha256"), pack.producer = f.text("producer");
  pack.image_backend = f.text("image_backend");
  pack.noise_sources = f.texts("noise_sources");
  read_hashes(f.at("files"), path + ": files", pack);
  if (!f.at("prompts").is_array()) input_error(path, ": prompts: a list is wanted");
  for (size_t i = 0; i < f.at("prompts").size(); ++i) {
    pack.prompts.push_back(read_prompt(f.at("prompts")[i], concat(path, ": prompts[", i, "]")));
    check_inside(path, pack.prompts.back().file);
    for (const std::string& file : pack.prompts.back().noise_files) check_inside(path, file);
  }
  pack.router = SafetensorsFile::open(golden_path(pack, "router.safetensors"));
  pack.model = model_of_pack(pack);
  return pack;
}

}  // namespace glmv
