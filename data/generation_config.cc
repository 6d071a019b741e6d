#include "data/generation_config.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/file.h"
#include "data/json_file.h"
#include "data/json_node.h"
#include "reference/core/error.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

/// Keys that are read here, read elsewhere (token ids) or do not change the tokens.
constexpr std::array kHarmless = {"_from_model_config",
                                  "transformers_version",
                                  "do_sample",
                                  "temperature",
                                  "top_k",
                                  "top_p",
                                  "min_p",
                                  "repetition_penalty",
                                  "max_new_tokens",
                                  "eos_token_id",
                                  "pad_token_id",
                                  "bos_token_id",
                                  "use_cache",
                                  "cache_implementation"};

/// The library's values of other keys with which these do nothing.
bool does_nothing(const std::string& key, const Json& value) {
  if (value.is_null() || value == false) return true;
  if (key.starts_with("output_") || key.starts_with("return_")) return true;
  const bool is_one = key == "num_beams" || key == "num_beam_groups" || key == "typical_p" || key == "length_penalty" ||
                      key == "num_return_sequences" || key == "encoder_repetition_penalty";
  return is_one ? value == 1 : value == 0;
}

std::vector<std::string> unsupported_keys(const Json& root) {
  std::vector<std::string> out;
  for (const auto& [key, value] : root.items()) {
    const bool is_harmless = std::find(kHarmless.begin(), kHarmless.end(), key) != kHarmless.end();
    if (!is_harmless && !does_nothing(key, value)) out.push_back(key + " is " + value.dump());
  }
  return out;
}

}  // namespace

GenerationSettings PublishedSampling::settings(const GenerationSettings& defaults) const {
  GenerationSettings s = defaults;
  s.repetition_penalty = repetition_penalty;
  if (max_new_tokens) s.max_new_tokens = *max_new_tokens;
  if (!do_sample) return s;
  s.temperature = temperature, s.top_k = top_k, s.top_p = top_p, s.min_p = min_p;
  return s;
}

std::string PublishedSampling::text() const {
  std::string out = do_sample ? concat("temperature ", temperature, ", top_k ", top_k, ", top_p ", top_p) : "greedy";
  if (do_sample && min_p > 0) out += concat(", min_p ", min_p);
  if (repetition_penalty != 1) out += concat(", repetition_penalty ", repetition_penalty);
  return out;
}

std::optional<PublishedSampling> read_published_sampling(const std::string& dir) {
  constexpr uint64_t kMostBytes = 1 << 20;
  const std::string path = dir + "/generation_config.json";
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  const Json root = parse_json_object(read_file(path, kMostBytes), path);
  const JsonNode node{root, path + ":"};
  PublishedSampling p;
  p.path = path;
  const auto number = [&](const char* key, double& to) {
    if (node.find(key) != nullptr) to = node.at(key).number();
  };
  if (node.find("do_sample") != nullptr) p.do_sample = node.at("do_sample").flag();
  number("temperature", p.temperature);
  if (node.find("top_k") != nullptr) p.top_k = node.at("top_k").integer();
  number("top_p", p.top_p);
  number("min_p", p.min_p);
  number("repetition_penalty", p.repetition_penalty);
  if (node.find("max_new_tokens") != nullptr) p.max_new_tokens = node.at("max_new_tokens").integer();
  p.unsupported = unsupported_keys(root);
  // The library refuses a temperature of 0 where it would sample.
  if (p.do_sample && !(p.temperature > 0))
    usage_error(path, ": temperature is ", p.temperature, " with do_sample true");
  check(p.settings({}), path + ": ");
  return p;
}

}  // namespace glmv
