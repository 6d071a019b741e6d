#include "data/chat_template.h"

#include <array>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/checkpoint.h"
#include "data/file.h"
#include "data/jinja_outline.h"
#include "data/json_file.h"
#include "data/json_node.h"
#include "reference/core/error.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;

constexpr uint64_t kMostTemplateBytes = 1 << 20, kMostJsonBytes = 64u << 20;

struct Known {
  const char* fingerprint;
  ChatTemplate chat_template;
};
// The published files, and the twins' own, which render what the published ones of their families render
// (data/tiny/check_template.py, tests/golden/fuzz_templates.py).
constexpr std::array<Known, 5> kKnown = {{
    {"55bb1b4e0578df33b9d3fd365081f85a0d9c31411b0d20a0e355c69374264ce8", ChatTemplate::glm45v},
    {"314d739230a3bc883876be0df4e40b6ee54081f94f6da3bc382b00208789489e", ChatTemplate::glm45v},
    {"86b59dd0af3acc30886e5420e7c0238d64df5d2e2af8c87aabf8b5971fb5f2f3", ChatTemplate::glm46v},
    {"311b85e0a394cf738571231bc3eb4f1e51ff7276c0e08b9534f62ad25245a3f3", ChatTemplate::glm41v},
    {"9e845a37581be5679f7ea7220e939324648c0f44fac6b76315511fb0311839a8", ChatTemplate::glm41v},
}};

struct Found {
  std::string source, place;
};

/// "chat_template" of a JSON file, if it is there: a text, or a list of named ones, of which "default" counts.
std::optional<Found> from_json(const std::string& path) {
  if (!fs::exists(path)) return std::nullopt;
  const nlohmann::json root = parse_json_object(read_file(path, kMostJsonBytes), path);
  const JsonNode node{root, path + ":"};
  if (node.find("chat_template") == nullptr) return std::nullopt;
  const JsonNode value = node.at("chat_template");
  if (!value.value.is_array()) return Found{value.text(), value.where};
  for (const JsonNode& one : value.list()) {
    if (one.at("name").text() == "default") return Found{one.at("template").text(), one.where};
  }
  return std::nullopt;
}

std::optional<Found> find_source(const std::string& dir) {
  const std::string jinja = dir + "/chat_template.jinja";
  if (fs::exists(jinja)) return Found{read_file(jinja, kMostTemplateBytes), jinja};
  if (auto found = from_json(dir + "/chat_template.json")) return found;
  return from_json(dir + "/tokenizer_config.json");
}

}  // namespace

std::string template_fingerprint(const std::string& source) {
  const std::string outline = jinja_outline(source);
  return sha256_hex(outline.data(), outline.size());
}

ChatTemplate find_chat_template(const std::string& dir, const ModelConfig& config, const std::string& processor_class) {
  const std::optional<Found> found = find_source(dir);
  if (!found) {
    if (processor_class == "Glm46VProcessor") return ChatTemplate::glm46v;
    return config.family == Family::dense ? ChatTemplate::glm41v : ChatTemplate::glm45v;
  }
  std::string fingerprint;
  try {
    fingerprint = template_fingerprint(found->source);
  } catch (const Error& e) {
    throw Error(e.code(), concat(found->place, ": ", e.what()));
  }
  for (const Known& known : kKnown) {
    if (fingerprint == known.fingerprint) return known.chat_template;
  }
  usage_error(
      found->place, ": a chat template that is not known (sha256 ",
      sha256_hex(found->source.data(), found->source.size()).substr(0, 16), ", ", found->source.size(),
      " bytes); known are those of GLM-4.5V, GLM-4.6V and GLM-4.1V, and --chat-template takes one of them instead");
}

}  // namespace glmv
