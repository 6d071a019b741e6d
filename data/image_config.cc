// preprocessor_config.json.
//
// Reads what changes the result and refuses a config that asks for another pipeline: a switch we would have to ignore
// is an error.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/image.h"
#include "data/json_file.h"

namespace glmv {

using Json = nlohmann::json;

// ------------------------------------------------------------------------------------------------------- backend

namespace {

constexpr std::array<std::string_view, 3> kBackendNames = {"torchvision", "pillow", "pillow-12"};

}  // namespace

std::string_view name_of(ImageBackend backend) { return kBackendNames[static_cast<size_t>(backend)]; }

ImageBackend image_backend(std::string_view name) {
  const auto found = std::find(kBackendNames.begin(), kBackendNames.end(), name);
  if (found == kBackendNames.end()) usage_error(name, " is not an image backend: torchvision, pillow or pillow-12");
  return static_cast<ImageBackend>(found - kBackendNames.begin());
}

// -------------------------------------------------------------------------------------------------------- config

namespace {

/// One config file being read: every message names the file and the key.
struct Reader {
  std::string path;
  Json root;

  const Json* find(const char* key) const {
    const auto found = root.find(key);
    return found == root.end() ? nullptr : &*found;
  }

  int64_t positive(const Json& object, const std::string& key, int64_t largest) const {
    const auto found = object.find(key);
    if (found == object.end()) usage_error(path, ": ", key, " is missing");
    const bool fits = found->is_number_integer() && *found > 0 && *found <= largest;
    if (!fits) usage_error(path, ": ", key, " is ", *found, ", wanted an integer from 1 to ", largest);
    return found->get<int64_t>();
  }
  int64_t positive_or(const std::string& key, int64_t largest, int64_t otherwise) const {
    return root.contains(key) ? positive(root, key, largest) : otherwise;
  }

  std::string text_or_empty(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr || value->is_null()) return "";
    if (!value->is_string()) usage_error(path, ": ", key, " is ", *value, ", wanted a name");
    return value->get<std::string>();
  }

  void must_be_true(const char* key) const {
    const Json* value = find(key);
    if (value && *value != true) usage_error(path, ": ", key, " is ", *value, ", only true is supported");
  }
  void must_be_one_of(const char* key, std::initializer_list<const char*> names) const {
    const Json* value = find(key);
    const auto is_value = [&](const char* name) { return *value == name; };
    if (value && std::none_of(names.begin(), names.end(), is_value)) {
      usage_error(path, ": ", key, " is ", *value, ", which is not a GLM-4V processor");
    }
  }
};

Json read_object(const std::string& path) {
  constexpr uint64_t kMostBytes = 1 << 20;
  return parse_json_object(read_file(path, kMostBytes), path);
}

/// The published file, or the part of processor_config.json into which transformers 5 folds it when it saves.
Reader open_config(const std::string& dir, const std::string& file) {
  const std::string path = dir + "/" + file, folded = dir + "/processor_config.json";
  if (std::filesystem::exists(path) || !std::filesystem::exists(folded)) return {path, read_object(path)};
  const Json whole = read_object(folded);
  const char* key = file == "video_preprocessor_config.json" ? "video_processor" : "image_processor";
  const auto part = whole.find(key);
  if (part == whole.end() || !part->is_object()) input_error(folded, ": ", key, " is missing or not an object");
  Reader reader{folded + ": " + key, *part};
  if (whole.contains("processor_class")) reader.root["processor_class"] = whole["processor_class"];
  return reader;
}

/// Every picture, be it one pixel, grows to shortest_edge and to one merged patch. This many pixels are 85,000 tokens
/// of the published model, above its 65,536 positions, and already 1.6 GB of patches.
constexpr int64_t kLargestGrown = int64_t{1} << 27;

constexpr int64_t kLargestVolume = int64_t{1} << 40;  // pictures are only ever shrunk to it

/// size = {shortest_edge, longest_edge}. The names mislead: both are volumes, frames * height * width.
void read_volumes(const Reader& reader, ImageConfig& config) {
  const Json* size = reader.find("size");
  if (!size || !size->is_object()) usage_error(reader.path, ": size {shortest_edge, longest_edge} is missing");
  for (const auto& item : size->items()) {
    if (item.key() != "shortest_edge" && item.key() != "longest_edge") {
      usage_error(reader.path, ": size.", item.key(), " is unknown: wanted shortest_edge and longest_edge");
    }
  }
  config.min_volume = reader.positive(*size, "shortest_edge", kLargestGrown);
  config.max_volume = reader.positive(*size, "longest_edge", kLargestVolume);
  if (config.min_volume > config.max_volume) {
    usage_error(reader.path, ": size.shortest_edge ", config.min_volume, " exceeds longest_edge ", config.max_volume);
  }
}

/// The smallest picture there can be must be one that a picture may grow to.
void check_one_patch(const std::string& path, const ImageConfig& config) {
  const int64_t side = config.patch_size * config.merge_size, volume = config.temporal_patch_size * side * side;
  if (volume <= kLargestGrown) return;
  usage_error(path, ": patch_size ", config.patch_size, " x merge_size ", config.merge_size, ", temporal_patch_size ",
              config.temporal_patch_size, ": one merged patch would have ", volume, " pixels, at most ", kLargestGrown,
              " are wanted");
}

std::array<float, 3> read_three(const Reader& reader, const char* key, std::array<float, 3> otherwise) {
  const Json* values = reader.find(key);
  if (!values) return otherwise;
  const auto is_number = [](const Json& v) { return v.is_number(); };
  if (!values->is_array() || values->size() != 3 || !std::all_of(values->begin(), values->end(), is_number)) {
    usage_error(reader.path, ": ", key, " is ", *values, ", wanted three numbers");
  }
  return {(*values)[0].get<float>(), (*values)[1].get<float>(), (*values)[2].get<float>()};
}

void read_mean_and_std(const Reader& reader, ImageConfig& config) {
  config.mean = read_three(reader, "image_mean", {0.48145466f, 0.4578275f, 0.40821073f});
  config.std = read_three(reader, "image_std", {0.26862954f, 0.26130258f, 0.27577711f});
  for (size_t c = 0; c < 3; ++c) {
    if (!std::isfinite(config.mean[c])) usage_error(reader.path, ": image_mean[", c, "] is ", config.mean[c]);
    if (!(config.std[c] > 0) || !std::isfinite(config.std[c])) {
      usage_error(reader.path, ": image_std[", c, "] is ", config.std[c], ", wanted a positive number");
    }
  }
}

/// Everything that would make another pipeline out of ours.
void refuse_other_pipelines(const Reader& reader) {
  reader.must_be_one_of("image_processor_type", {"Glm4vImageProcessor", "Glm46VImageProcessor"});
  reader.must_be_one_of("video_processor_type", {"Glm4vVideoProcessor", "Glm46VVideoProcessor"});
  for (const char* key : {"do_resize", "do_rescale", "do_normalize", "do_convert_rgb"}) reader.must_be_true(key);
  const Json* resample = reader.find("resample");
  if (resample && *resample != 3) usage_error(reader.path, ": resample is ", *resample, ", only 3 (bicubic) works");
  const Json* factor = reader.find("rescale_factor");
  if (factor && !(factor->is_number() && static_cast<float>(1 / factor->get<double>()) == 255.0f)) {
    usage_error(reader.path, ": rescale_factor is ", *factor, ", only 1/255 is supported");
  }
}

double positive_number_or(const Reader& reader, const char* key, double otherwise) {
  const Json* value = reader.find(key);
  if (!value || value->is_null()) return otherwise;
  const double number = value->is_number() ? value->get<double>() : 0.0;
  if (!(number > 0 && std::isfinite(number))) {
    usage_error(reader.path, ": ", key, " is ", *value, ", wanted a positive number");
  }
  return number;
}

/// Which frames of a clip are taken; the keys are those of the video processors.
void read_sampling(const Reader& reader, ImageConfig& config) {
  SamplingConfig& sampling = config.sampling;
  const std::string type = reader.text_or_empty("video_processor_type");
  const bool is_46v = type == "Glm46VVideoProcessor" || (type.empty() && config.processor_class == "Glm46VProcessor");
  if (is_46v) sampling.rule = SamplingRule::glm46v;
  const Json* samples = reader.find("do_sample_frames");
  if (samples && *samples == false) sampling.rule = SamplingRule::nothing;
  sampling.fps = positive_number_or(reader, "fps", sampling.fps);
  sampling.max_duration = positive_number_or(reader, "max_duration", sampling.max_duration);
  sampling.temporal_patch_size = config.temporal_patch_size;
}

}  // namespace

ImageConfig read_image_config(const std::string& dir, const std::string& file) {
  const Reader reader = open_config(dir, file);
  refuse_other_pipelines(reader);
  ImageConfig config;
  config.processor_class = reader.text_or_empty("processor_class");
  config.patch_size = reader.positive_or("patch_size", 1024, config.patch_size);
  config.temporal_patch_size = reader.positive_or("temporal_patch_size", 64, config.temporal_patch_size);
  config.merge_size = reader.positive_or("merge_size", 64, config.merge_size);
  check_one_patch(reader.path, config);
  read_volumes(reader, config);
  read_mean_and_std(reader, config);
  read_sampling(reader, config);
  return config;
}

void set_volumes(ImageConfig& config, std::optional<int64_t> min_volume, std::optional<int64_t> max_volume) {
  config.min_volume = min_volume.value_or(config.min_volume);
  config.max_volume = max_volume.value_or(config.max_volume);
  const std::string least = min_volume ? "--min-pixels" : "the configuration's size.shortest_edge",
                    most = max_volume ? "--max-pixels" : "the configuration's size.longest_edge";
  const auto check = [](const std::string& name, int64_t value, int64_t largest) {
    if (value < 1 || value > largest) usage_error(name, ' ', value, ": wanted is a number from 1 to ", largest);
  };
  check(least, config.min_volume, kLargestGrown);
  check(most, config.max_volume, kLargestVolume);
  if (config.min_volume > config.max_volume)
    usage_error(least, ' ', config.min_volume, " is more than ", most, ' ', config.max_volume);
}

}  // namespace glmv
