// Making a pack. Start at write_pack() at the end.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "crosscheck/golden_files.h"
#include "crosscheck/stages.h"
#include "crosscheck/weight_pages.h"
#include "data/checkpoint.h"
#include "data/file.h"
#include "reference/core/compare.h"
#include "reference/core/utc.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using Tensors = std::vector<std::pair<std::string, Tensor>>;

bool is_router_logits(const std::string& name) { return name.ends_with(kGateLogits); }

Recording run(const Model& model, const Script& script, const GoldenOptions& options, DType activation,
              Reduction order) {
  const WeightPages pages(model);
  RecordOptions how;
  how.activation = activation;
  how.reduction = order;
  how.wants = [&](std::string_view point) {
    const std::string name(point);
    pages.release_behind(name);
    return !is_input(split_step(name).point) &&
           (!options.wants || is_choice(name) || is_router_logits(name) || options.wants(split_step(name).point));
  };
  if (options.progress) options.progress(concat(name_of(activation), " run, ", words_for(order)));
  return record(model, cpu_backend(), script, how);
}

/// Gold's choice of experts in every pass, to be replayed: a legal flip would show in everything behind it.
std::vector<std::map<int64_t, Tensor>> choices_of(const ModelConfig& config, const Recording& gold,
                                                  const Script& script) {
  std::vector<std::map<int64_t, Tensor>> passes(script.tokens.size() + 1);
  for (const auto& [name, value] : gold.points()) {
    if (!is_choice(name)) continue;
    const PointName at = split_step(name);
    Tensor choice = well_formed_choice(value.view, value.view.dim[0], config.text);
    if (choice) passes[static_cast<size_t>(at.step)][split_layer(at.point).layer] = choice;
  }
  return passes;
}

/// A row's noise is a distance between correct runs: where a run breaks down it is no larger than the row itself.
Tensor noise_rows(const ConstTensorView& gold, const Noise& noise) {
  const std::vector<double> rows = row_noise(gold, noise), sizes = row_sizes(gold);
  Tensor out(DType::f32, {static_cast<int64_t>(rows.size())});
  for (size_t r = 0; r < rows.size(); ++r) {
    const double bounded = rows[r] <= sizes[r] ? rows[r] : sizes[r];
    out.data<float>()[r] = static_cast<float>(bounded * (1 - 0x1p-23));  // rounding must not lift it above the row
  }
  return out;
}

void add_runs(const Model& model, const Script& script, const GoldenOptions& options, DType activation,
              const Recording& gold, Tensors& out) {
  const std::string dtype = name_of(activation);
  std::vector<Recording> runs = {run(model, script, options, activation, Reduction::blocked)};
  for (const Reduction order :
       legal_reductions(std::min(model.config.text.hidden_size, model.config.vision.hidden_size)))
    if (order != Reduction::blocked) runs.push_back(run(model, script, options, activation, order));
  for (const auto& [name, value] : gold.points()) {
    out.emplace_back(concat(dtype, "/", name), runs[0].get(name));
    if (!is_float(value.view.dtype) || stage_of(name) <= 3) continue;
    Noise noise;
    noise.rounded_to = runs[0].get(name).view.dtype;
    for (const Recording& r : runs) noise.legal.push_back(r.get(name));
    out.emplace_back(concat(kNoisePrefix, dtype, "/", name), noise_rows(value.view, noise));
    for (size_t k = 1; k < runs.size() && is_router_logits(name); ++k)
      out.emplace_back(concat("order", k, "/", dtype, "/", name), runs[k].get(name));
  }
}

void write_tensors(const std::string& path, const Tensors& tensors) {
  NamedTensors named;
  for (const auto& [name, tensor] : tensors) named.emplace_back(name, tensor.view);
  write_safetensors(path, named, {{"format", "glmv.golden/1"}});
}

Tensors correction_biases(const Model& model) {
  Tensors out;
  for (int64_t layer = 0; layer < model.config.text.num_layers; ++layer) {
    if (!model.config.text.is_moe_layer(layer)) continue;
    const ConstTensorView bias = model.weights.layers[static_cast<size_t>(layer)].moe.correction_bias.data;
    Tensor copy(bias.dtype, bias);
    convert(bias, copy.view);
    out.emplace_back(correction_bias_name(layer), copy);
  }
  return out;
}

void write_bytes(const std::string& path, const std::string& bytes) {
  OutputFile file(path, Devices::refused);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

Json prompt_json(const GoldenPrompt& p) {
  return {{"id", p.id},         {"what", p.what},
          {"text", p.text},     {"images", p.images},
          {"videos", p.videos}, {"tokens", p.tokens},
          {"steps", p.steps},   {"points", p.points},
          {"file", p.file},     {"noise_files", p.noise_files}};
}

/// Every file of the folder but the manifest, with its hashes.
Json hashes_json(const std::string& dir) {
  Json out = Json::object();
  std::vector<std::string> files;
  for (const fs::directory_entry& e : fs::recursive_directory_iterator(dir)) {
    const std::string file = fs::relative(e.path(), dir).generic_string();
    if (e.is_regular_file() && file != "manifest.json") files.push_back(file);
  }
  std::sort(files.begin(), files.end());
  for (const std::string& file : files) {
    const GoldenHashes hashes = hash_file((fs::path(dir) / file).string());
    out[file] = {{"sha256", hashes.file}};
    if (!hashes.tensors.empty()) out[file]["tensors"] = hashes.tensors;
  }
  return out;
}

std::string words_of_noise(const Model& model) {
  std::string orders;
  for (const Reduction r : legal_reductions(std::min(model.config.text.hidden_size, model.config.vision.hidden_size)))
    orders += concat(orders.empty() ? "" : "; ", words_for(r));
  return concat("glmv's reference in f32 and in bf16 against f64, orders of summation: ", orders);
}

}  // namespace

Tensors golden_tensors(const Model& model, const Script& script, const GoldenOptions& options) {
  Tensors out;
  for (const auto& [name, value] : prompt_tensors(script.prompt)) out.emplace_back(name, value);
  for (size_t i = 0; i < script.tokens.size(); ++i) {
    Tensor id(DType::i64, {1});
    *id.data<int64_t>() = script.tokens[i];
    out.emplace_back(join_step(static_cast<int64_t>(i) + 1, "input_ids"), id);
  }
  // Both types choose the experts that gold does, as a trace's own choice is replayed when it is judged.
  const Recording gold = run(model, script, options, DType::f64, Reduction::blocked);
  Script replayed = script;
  replayed.forced = choices_of(model.config, gold, script);
  for (const auto& [name, value] : gold.points()) out.emplace_back(concat(kGoldPrefix, name), value);
  for (const DType t : {DType::f32, DType::bf16}) add_runs(model, replayed, options, t, gold, out);
  return out;
}

void write_pack(const Model& model, std::vector<GoldenEntry> entries, const std::string& image_backend,
                const std::string& dir, const GoldenOptions& options) {
  Json prompts = Json::array();
  for (GoldenEntry& e : entries) {
    GoldenOptions named = options;
    if (options.progress)
      named.progress = [&](const std::string& what) { options.progress(concat(e.prompt.id, ": ", what)); };
    const Tensors tensors = golden_tensors(model, e.script, named);
    e.prompt.file = e.prompt.id + ".safetensors";
    e.prompt.tokens = static_cast<int64_t>(e.script.prompt.ids.size());
    e.prompt.steps = static_cast<int64_t>(e.script.tokens.size());
    e.prompt.points =
        std::count_if(tensors.begin(), tensors.end(), [](const auto& t) { return t.first.rfind(kGoldPrefix, 0) == 0; });
    write_tensors((fs::path(dir) / e.prompt.file).string(), tensors);
    prompts.push_back(prompt_json(e.prompt));
  }
  write_tensors((fs::path(dir) / "router.safetensors").string(), correction_biases(model));
  write_bytes((fs::path(dir) / "config.json").string(), read_file((fs::path(model.dir) / "config.json").string()));
  const Json manifest = {{"schema", "glmv.golden/1"},
                         {"created", now_utc()},
                         {"producer", "glmv"},
                         {"architecture", model.config.architecture},
                         {"model_sha256", model.checkpoint.sha256()},
                         {"image_backend", image_backend},
                         {"noise_sources", {words_of_noise(model)}},
                         {"prompts", prompts},
                         {"files", hashes_json(dir)}};
  write_bytes((fs::path(dir) / "manifest.json").string(), manifest.dump(1) + '\n');
}

}  // namespace glmv
