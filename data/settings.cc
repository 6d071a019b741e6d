#include "data/settings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/json_node.h"
#include "data/utf8.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

constexpr std::array<const char*, 10> kKeys = {
    "max_new_tokens",     "temperature", "top_k", "top_p",           "min_p",
    "repetition_penalty", "seed",        "stop",  "thinking_budget", "logprobs"};

/// Behind "--" a flag's name, whose words are joined by hyphens; elsewhere the key of a file.
std::string named(const std::string& where, std::string key) {
  if (where == "--") std::replace(key.begin(), key.end(), '_', '-');
  return where + key;
}

constexpr const char* kSeeds = "a whole number from 0 to 4294967295";

template <class T>
void expect(bool good, const std::string& where, const char* key, const T& value, const char* wanted) {
  if (!good) usage_error(named(where, key), " is ", value, "; ", wanted, " is wanted");
}

void check_stop(const GenerationSettings& s, const std::string& where) {
  for (const std::string& text : s.stop) {
    if (text.empty()) usage_error(where, "stop is an empty text, which is found everywhere");
    if (utf8_first_error(text) != std::string::npos) usage_error(where, "stop is not UTF-8");
  }
}

/// Sampling values that greedy search would ignore.
void check_effect(const GenerationSettings& s, const std::string& where) {
  if (s.samples()) return;
  const char* idle = s.top_k != 0 ? "top_k" : s.top_p < 1 ? "top_p" : s.min_p > 0 ? "min_p" : nullptr;
  if (idle != nullptr) usage_error(named(where, idle), " has no effect at temperature 0, which is greedy search");
}

std::vector<std::string> texts(const JsonNode& node) {
  if (!node.value.is_array()) return {node.text()};
  std::vector<std::string> out;
  for (const JsonNode& one : node.list()) out.push_back(one.text());
  return out;
}

}  // namespace

bool is_setting(const std::string& key) { return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end(); }

void check(const GenerationSettings& s, const std::string& where) {
  // Written so that NaN fails.
  expect(s.max_new_tokens >= 1, where, "max_new_tokens", s.max_new_tokens, "at least 1");
  expect(s.temperature >= 0 && std::isfinite(s.temperature), where, "temperature", s.temperature,
         "a number from 0 (greedy)");
  const auto divisor = static_cast<float>(s.temperature);
  expect(!s.samples() || (divisor > 0 && std::isfinite(divisor)), where, "temperature", s.temperature,
         "0 or a number that f32 can hold");
  expect(s.top_k >= 0, where, "top_k", s.top_k, "0 (all) or more");
  expect(s.top_p > 0 && s.top_p <= 1, where, "top_p", s.top_p, "more than 0 and at most 1");
  expect(s.min_p >= 0 && s.min_p <= 1, where, "min_p", s.min_p, "a number from 0 to 1");
  const auto penalty = static_cast<float>(s.repetition_penalty);
  expect(penalty > 0 && std::isfinite(penalty), where, "repetition_penalty", s.repetition_penalty,
         "a number above 0 (1 = none)");
  expect(s.seed <= UINT32_MAX, where, "seed", s.seed, kSeeds);
  expect(s.thinking_budget.value_or(0) >= 0, where, "thinking_budget", s.thinking_budget.value_or(0), "0 or more");
  expect(s.logprobs >= -1 && s.logprobs <= kMostLogprobs, where, "logprobs", s.logprobs, "a number from 0 to 1000");
  check_stop(s, where);
  check_effect(s, where);
}

GenerationSettings read_settings(const JsonNode& object, const GenerationSettings& defaults) {
  GenerationSettings s = defaults;
  const auto number = [&](const char* key, double& to) {
    if (object.find(key) != nullptr) to = object.at(key).number();
  };
  const auto integer = [&](const char* key, int64_t& to) {
    if (object.find(key) != nullptr) to = object.at(key).integer();
  };
  integer("max_new_tokens", s.max_new_tokens);
  number("temperature", s.temperature);
  integer("top_k", s.top_k);
  number("top_p", s.top_p);
  number("min_p", s.min_p);
  number("repetition_penalty", s.repetition_penalty);
  auto seed = static_cast<int64_t>(s.seed);
  integer("seed", seed);
  expect(seed >= 0, object.where + ' ', "seed", seed, kSeeds);
  s.seed = static_cast<uint64_t>(seed);
  if (object.find("stop") != nullptr) s.stop = texts(object.at("stop"));
  if (object.find("thinking_budget") != nullptr) s.thinking_budget = object.at("thinking_budget").integer();
  integer("logprobs", s.logprobs);
  expect(s.logprobs != -1 || object.find("logprobs") == nullptr, object.where + ' ', "logprobs", s.logprobs,
         "a number from 0 to 1000");
  check(s, object.where + ' ');
  return s;
}

}  // namespace glmv
