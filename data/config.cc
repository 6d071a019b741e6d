// The reader takes what published and re-saved snapshots contain and refuses the rest. It never falls back to a
// default of the library's classes for anything that decides a shape or a token id, because those defaults differ from
// the checkpoints. Exit code 3: the file is missing, malformed, or a field is absent or no sensible number.
// Exit code 2: the file is sound, but describes a model that this implementation does not compute, or contradicts
// itself.
//
// Rotary settings are looked up in text_config.rope_parameters, then .rope_scaling, then among their siblings, then
// (in the same order) at the top level. Other text fields that a file repeats at the top level are ignored there, as
// the library ignores them; token ids and tie_word_embeddings, which live in either place, must agree.
#include "data/config.h"

#include <cmath>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "data/file.h"
#include "data/json_file.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int64_t kSizeLimit = int64_t{1} << 31;     // every single number lies below it
constexpr double kNumberLimit = 1125899906842624.0;  // 2^50: no model has that many parameters
constexpr uint64_t kMaxFileBytes = 16u << 20;        // real ones have 2 to 30 kB

// ---- fields ----

/// An object of the file with the name it has in messages.
struct Section {
  const json* object;
  std::string name;  ///< "path" or "path: text_config"

  /// The value, or null for a key that is absent or null.
  const json* find(const char* key) const {
    const auto found = object->find(key);
    return found == object->end() || found->is_null() ? nullptr : &*found;
  }
  std::string at(const char* key) const { return name + ": " + key; }
};

/// A value for a message, cut where it would fill the screen.
std::string shown(const json& value) {
  constexpr size_t kLongest = 120;
  const std::string text = value.dump();
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

[[noreturn]] void missing(const Section& s, const char* key) { input_error(s.at(key), " is missing"); }
[[noreturn]] void wrong(const Section& s, const char* key, const json& value, const char* wanted) {
  input_error(s.at(key), " is ", shown(value), ", expected ", wanted);
}

const json& required(const Section& s, const char* key) {
  const json* value = s.find(key);
  if (value == nullptr) missing(s, key);
  return *value;
}

int64_t to_integer(const Section& s, const char* key, const json& value, int64_t lowest) {
  const bool fits = value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() < kSizeLimit);
  const int64_t number = fits ? value.get<int64_t>() : -1;
  if (!fits || number < lowest || number >= kSizeLimit) {
    wrong(s, key, value, lowest > 0 ? "a positive integer below 2^31" : "a non-negative integer below 2^31");
  }
  return number;
}

/// A positive size.
int64_t size(const Section& s, const char* key) { return to_integer(s, key, required(s, key), 1); }
/// Of layers or experts, each of which costs memory before a weight is read: no model has nearly as many.
int64_t count(const Section& s, const char* key) {
  constexpr int64_t kMost = 4096;
  const int64_t number = size(s, key);
  if (number > kMost) wrong(s, key, required(s, key), "at most 4096");
  return number;
}
int64_t size_or(const Section& s, const char* key, int64_t otherwise) {
  const json* value = s.find(key);
  return value == nullptr ? otherwise : to_integer(s, key, *value, 1);
}

double positive(const Section& s, const char* key, const json& value) {
  const double number = value.is_number() ? value.get<double>() : 0.0;
  if (!std::isfinite(number) || number <= 0) wrong(s, key, value, "a positive number");
  return number;
}
double positive_or(const Section& s, const char* key, double otherwise) {
  const json* value = s.find(key);
  return value == nullptr ? otherwise : positive(s, key, *value);
}
/// A positive number that is still one in single precision.
float positive_float_or(const Section& s, const char* key, float otherwise) {
  const json* value = s.find(key);
  if (value == nullptr) return otherwise;
  const double number = positive(s, key, *value);
  if (number < 1e-30 || number > 1e30) wrong(s, key, *value, "a number that single precision can hold");
  return static_cast<float>(number);
}

std::optional<bool> flag(const Section& s, const char* key) {
  const json* value = s.find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) wrong(s, key, *value, "true or false");
  return value->get<bool>();
}

std::string text_or_empty(const Section& s, const char* key) {
  const json* value = s.find(key);
  if (value == nullptr) return "";
  if (!value->is_string()) wrong(s, key, *value, "a string");
  return value->get<std::string>();
}

Section subsection(const Section& s, const char* key) {
  const json& value = required(s, key);
  if (!value.is_object()) wrong(s, key, value, "an object");
  return {&value, s.at(key)};
}
/// The same, or nothing where it is absent, null or empty.
std::optional<Section> subsection_if_any(const Section& s, const char* key) {
  const json* value = s.find(key);
  if (value == nullptr || (value->is_object() && value->empty())) return std::nullopt;
  return subsection(s, key);
}

/// A choice this implementation makes: a file that makes another one is refused.
void refuse_unless(bool supported, const Section& s, const char* key, const char* only) {
  if (supported) return;
  const json* value = s.find(key);
  usage_error(s.at(key), " is ", value == nullptr ? "absent" : shown(*value), "; only ", only, " is supported");
}

void require_silu(const Section& s) {
  const std::string activation = text_or_empty(s, "hidden_act");
  refuse_unless(activation.empty() || activation == "silu", s, "hidden_act", "\"silu\"");
}

// ---- which model ----

const char* family_name(Family family) { return family == Family::moe ? "glm4v_moe" : "glm4v"; }

Family family_of(const Section& top, const std::string& model_type) {
  if (model_type == "chatglm") {
    usage_error(top.at("model_type"),
                " is chatglm: legacy GLM-4V-9B, not supported (it shares no code path with GLM-4.1V)");
  }
  if (top.find("text_config") == nullptr) {
    usage_error(top.name, ": config has no text_config: is this a text-only GLM-4.5? (model_type is \"", model_type,
                "\")");
  }
  if (model_type == "glm4v_moe") return Family::moe;
  if (model_type == "glm4v") return Family::dense;
  usage_error(top.at("model_type"), " is \"", model_type, "\"; only glm4v_moe and glm4v are supported");
}

/// The names that say which model it is must not contradict each other.
void check_names(const ModelConfig& config, const Section& text) {
  const std::string type = text_or_empty(text, "model_type");
  const bool moe = config.family == Family::moe;
  const bool known = type.empty() || (moe ? type == "glm4v_moe_text" || type == "Glm4vMoe_text"
                                          : type == "glm4v_text" || type == "Glm4v_text");
  if (!known) {
    usage_error(text.at("model_type"), " is \"", type, "\", which does not belong to ", family_name(config.family));
  }
  const char* other = moe ? "Glm4vForConditionalGeneration" : "Glm4vMoeForConditionalGeneration";
  if (config.architecture == other) {
    usage_error(config.path, ": architectures says ", other, ", model_type says ", family_name(config.family));
  }
}

std::string first_architecture(const Section& top) {
  const json* list = top.find("architectures");
  if (list == nullptr) return "";
  if (!list->is_array() || list->empty() || !list->front().is_string()) {
    wrong(top, "architectures", *list, "a list of names");
  }
  return list->front().get<std::string>();
}

std::string stored_dtype(const Section& top, const Section& text) {
  for (const Section* s : {&text, &top}) {
    for (const char* key : {"dtype", "torch_dtype"}) {
      if (std::string name = text_or_empty(*s, key); !name.empty()) return name;
    }
  }
  return "";
}

// ---- rotary embedding ----

void check_rope_type(const Section& rope, std::initializer_list<const char*> accepted) {
  for (const char* key : {"rope_type", "type"}) {
    const std::string type = text_or_empty(rope, key);
    bool known = type.empty();
    for (const char* name : accepted) known = known || type == name;
    if (!known) usage_error(rope.at(key), " is \"", type, "\"; only \"default\" is supported");
  }
}

/// The library reads one of two dictionaries whole, and which one depends on its version: they must be equal.
void check_same_rope(const Section& a, const Section& b) {
  for (const auto& [one, other] : {std::pair{&a, &b}, std::pair{&b, &a}}) {
    for (const auto& [key, value] : one->object->items()) {
      if (key == "type" || key == "rope_type") continue;  // both only ever say "default"
      const auto found = other->object->find(key);
      if (found == other->object->end() || *found != value) {
        usage_error(one->at(key.c_str()), " is ", shown(value), ", which ", other->name, " contradicts");
      }
    }
  }
}

/// Where rotary settings may stand, best place first; sets the layout of the first dictionary found.
std::vector<Section> rope_places(const Section& top, const Section& text, std::string& layout) {
  std::vector<Section> places;
  for (const Section& s : {text, top}) {
    const auto current = subsection_if_any(s, "rope_parameters"), old = subsection_if_any(s, "rope_scaling");
    for (const auto& rope : {current, old}) {
      if (!rope) continue;
      check_rope_type(*rope, {"default"});
      places.push_back(*rope);
    }
    if (current && old) check_same_rope(*current, *old);
    if (layout.empty() && (current || old)) layout = current ? "rope_parameters" : "rope_scaling";
    places.push_back(s);
  }
  // Sibling keys alone are the old spelling.
  if (layout.empty()) layout = "rope_scaling";
  return places;
}

const Section* place_of(const std::vector<Section>& places, const char* key) {
  for (const Section& s : places) {
    if (s.find(key) != nullptr) return &s;
  }
  return nullptr;
}

std::vector<int64_t> read_sections(const Section* place) {
  if (place == nullptr) return {8, 12, 12};
  const char* key = "mrope_section";
  const json& list = *place->find(key);
  if (!list.is_array() || list.size() != 3) wrong(*place, key, list, "three numbers, for T, H and W");
  std::vector<int64_t> sections;
  for (const json& number : list) sections.push_back(to_integer(*place, key, number, 0));
  return sections;
}

void read_rope(const Section& top, const Section& text, ModelConfig& config) {
  const std::vector<Section> places = rope_places(top, text, config.rope_layout);
  TextConfig& t = config.text;
  if (const Section* s = place_of(places, "rope_theta")) t.rope_theta = positive_or(*s, "rope_theta", 0);
  double partial = 0.5;
  if (const Section* s = place_of(places, "partial_rotary_factor")) {
    partial = positive_or(*s, "partial_rotary_factor", 0);
    if (partial > 1) wrong(*s, "partial_rotary_factor", *s->find("partial_rotary_factor"), "a number of at most 1");
  }
  t.mrope_section = read_sections(place_of(places, "mrope_section"));

  const double rotary = static_cast<double>(t.head_dim) * partial;
  const int64_t sum = t.mrope_section[0] + t.mrope_section[1] + t.mrope_section[2];
  if (sum == 0 || 2.0 * static_cast<double>(sum) != rotary) {
    usage_error(text.name, ": mrope_section [", t.mrope_section[0], ',', t.mrope_section[1], ',', t.mrope_section[2],
                "] must add up to half of head_dim * partial_rotary_factor = ", t.head_dim, " * ", partial);
  }
  t.rotary_dim = 2 * sum;
}

// ---- text and vision ----

/// `part` must divide `whole`.
void check_divides(const Section& s, const char* part_name, int64_t part, const char* whole_name, int64_t whole) {
  if (whole % part != 0) usage_error(s.name, ": ", part_name, ' ', part, " does not divide ", whole_name, ' ', whole);
}

int64_t read_head_dim(const Section& text, const TextConfig& t, Family family) {
  if (family == Family::moe) {
    if (text.find("head_dim") == nullptr) {
      input_error(text.at("head_dim"), " is missing; hidden_size / num_attention_heads = ", t.hidden_size, " / ",
                  t.num_heads, ", which the library would take, is not what checkpoints of this family have");
    }
    return size(text, "head_dim");
  }
  check_divides(text, "num_attention_heads", t.num_heads, "hidden_size", t.hidden_size);
  const int64_t head_dim = t.hidden_size / t.num_heads;
  // The library's attention ignores the field here, but its rotary table does not.
  if (size_or(text, "head_dim", head_dim) != head_dim) {
    usage_error(text.at("head_dim"), " is ", size(text, "head_dim"), ", but hidden_size / num_attention_heads is ",
                head_dim);
  }
  return head_dim;
}

void check_experts(const Section& text, const TextConfig& t) {
  const auto refuse = [&](const auto&... parts) { usage_error(text.name, ": ", parts...); };
  if (t.first_dense_layers > t.num_layers) {
    refuse("first_k_dense_replace ", t.first_dense_layers, " exceeds num_hidden_layers ", t.num_layers);
  }
  check_divides(text, "n_group", t.n_group, "n_routed_experts", t.num_experts);
  if (t.topk_group > t.n_group) refuse("topk_group ", t.topk_group, " exceeds n_group ", t.n_group);
  const int64_t per_group = t.num_experts / t.n_group;
  if (per_group < 2) refuse("a group of ", per_group, " expert cannot be scored by its best two");
  if (t.num_experts_per_tok > t.topk_group * per_group) {
    refuse("num_experts_per_tok ", t.num_experts_per_tok, " exceeds the ", t.topk_group * per_group,
           " experts of topk_group ", t.topk_group, " groups");
  }
}

void read_experts(const Section& text, TextConfig& t) {
  t.num_experts = count(text, "n_routed_experts");
  t.num_experts_per_tok = size(text, "num_experts_per_tok");
  t.num_shared_experts = size(text, "n_shared_experts");
  t.moe_intermediate_size = size(text, "moe_intermediate_size");
  t.first_dense_layers = to_integer(text, "first_k_dense_replace", required(text, "first_k_dense_replace"), 0);
  t.n_group = size_or(text, "n_group", 1);
  t.topk_group = size_or(text, "topk_group", 1);
  t.norm_topk_prob = flag(text, "norm_topk_prob").value_or(true);
  t.routed_scaling_factor = positive_float_or(text, "routed_scaling_factor", 1.0f);
  // Relatives of this family name what GLM's router does without a key.
  for (const auto& [key, only] : {std::pair{"scoring_func", "sigmoid"}, std::pair{"topk_method", "noaux_tc"}}) {
    const std::string said = text_or_empty(text, key);
    refuse_unless(said.empty() || said == only, text, key, only);
  }
  check_experts(text, t);
}

void check_text_choices(const Section& text) {
  refuse_unless(flag(text, "attention_bias").value_or(false), text, "attention_bias", "true");
  for (const char* key : {"use_qk_norm", "qk_layernorm"}) {
    refuse_unless(!flag(text, key).value_or(false), text, key, "false");
  }
  require_silu(text);
}

/// One of two places, or both if they agree.
const Section* agreeing_place(const Section& top, const Section& text, const char* key) {
  const json *outer = top.find(key), *inner = text.find(key);
  if (outer != nullptr && inner != nullptr && *outer != *inner) {
    usage_error(top.at(key), " is ", shown(*outer), ", but that of text_config is ", shown(*inner));
  }
  return outer != nullptr ? &top : inner != nullptr ? &text : nullptr;
}

void read_text_config(const Section& top, const Section& text, ModelConfig& config) {
  check_text_choices(text);
  TextConfig& t = config.text;
  t.vocab_size = size(text, "vocab_size");
  t.hidden_size = size(text, "hidden_size");
  t.num_layers = count(text, "num_hidden_layers");
  t.num_heads = size(text, "num_attention_heads");
  t.num_kv_heads = size(text, "num_key_value_heads");
  check_divides(text, "num_key_value_heads", t.num_kv_heads, "num_attention_heads", t.num_heads);
  t.head_dim = read_head_dim(text, t, config.family);
  t.intermediate_size = size(text, "intermediate_size");
  t.max_position_embeddings = size(text, "max_position_embeddings");
  t.rms_norm_eps = positive_float_or(text, "rms_norm_eps", 1e-5f);
  t.attention_bias = true;
  // Absent, the library ties the matrices in some versions and not in others.
  const Section* tie = agreeing_place(top, text, "tie_word_embeddings");
  if (tie == nullptr) missing(top, "tie_word_embeddings");
  t.tie_word_embeddings = *flag(*tie, "tie_word_embeddings");
  read_rope(top, text, config);
  if (config.family == Family::moe) read_experts(text, t);
}

void check_vision(const Section& vision, const VisionConfig& v, const TextConfig& t) {
  check_divides(vision, "num_heads", v.num_heads, "hidden_size", v.hidden_size);
  check_divides(vision, "patch_size", v.patch_size, "image_size", v.image_size);
  if (v.head_dim() % 4 != 0) {
    usage_error(vision.name, ": head dimension ", v.head_dim(),
                " cannot be split into row and column angles (4 divides it)");
  }
  if (v.out_hidden_size != t.hidden_size) {
    usage_error(vision.at("out_hidden_size"), " is ", v.out_hidden_size, ", but the text model's hidden_size is ",
                t.hidden_size);
  }
  refuse_unless(v.in_channels == 3, vision, "in_channels", "3");
}

void read_vision_config(const Section& vision, ModelConfig& config) {
  refuse_unless(!flag(vision, "attention_bias").value_or(false), vision, "attention_bias", "false");
  require_silu(vision);
  VisionConfig& v = config.vision;
  v.depth = count(vision, "depth");
  v.hidden_size = size(vision, "hidden_size");
  v.num_heads = size(vision, "num_heads");
  v.out_hidden_size = size(vision, "out_hidden_size");
  v.intermediate_size = size(vision, "intermediate_size");
  v.image_size = size(vision, "image_size");
  v.patch_size = size(vision, "patch_size");
  v.temporal_patch_size = size(vision, "temporal_patch_size");
  v.spatial_merge_size = size(vision, "spatial_merge_size");
  v.in_channels = size_or(vision, "in_channels", 3);
  v.rms_norm_eps = positive_float_or(vision, "rms_norm_eps", 1e-5f);
  // Published files have no such dictionary; files saved by transformers 5 say "axial".
  if (const auto rope = subsection_if_any(vision, "rope_parameters")) {
    check_rope_type(*rope, {"axial", "default"});
    v.rope_theta = positive_or(*rope, "rope_theta", v.rope_theta);
  }
  check_vision(vision, v, config.text);
}

/// Sums up every matrix of the model and its cache in floating point, which cannot overflow. Below the limit, no
/// product of extents that other code forms in 64-bit integers can overflow either.
void check_total(const ModelConfig& config) {
  const auto product = [](std::initializer_list<int64_t> factors) {
    double p = 1;
    for (int64_t f : factors) p *= static_cast<double>(f);
    return p;
  };
  const TextConfig& t = config.text;
  const VisionConfig& v = config.vision;
  const int64_t heads = t.num_heads + t.num_kv_heads, tile = v.spatial_merge_size * v.spatial_merge_size;
  const double total =
      product({2, t.vocab_size, t.hidden_size}) + product({2, t.num_layers, heads, t.head_dim, t.hidden_size}) +
      product({3, t.num_layers, t.intermediate_size, t.hidden_size}) +
      product({3, t.num_layers, t.num_experts + t.num_shared_experts, t.moe_intermediate_size, t.hidden_size}) +
      product({2, t.num_layers, t.num_kv_heads, t.head_dim, t.max_position_embeddings}) +
      product({v.depth, v.hidden_size, 4 * v.hidden_size + 3 * v.out_hidden_size}) +
      product({v.in_channels, v.temporal_patch_size, v.patch_size, v.patch_size, v.hidden_size}) +
      product({v.image_size, v.image_size, v.hidden_size}) + product({tile, v.hidden_size, v.out_hidden_size}) +
      product({3, v.intermediate_size, v.out_hidden_size}) + product({v.out_hidden_size, v.out_hidden_size});
  if (total > kNumberLimit) {
    usage_error(config.path, ": sizes multiply to ", total, " numbers; a field must be wrong by orders of magnitude");
  }
}

// ---- token ids ----

int64_t token_id(const Section& s, const char* key, const json& value, int64_t vocab_size) {
  const int64_t id = to_integer(s, key, value, 0);
  if (id >= vocab_size) usage_error(s.at(key), ' ', id, " lies outside the vocabulary of ", vocab_size);
  return id;
}

int64_t token_id_or_none(const Section& top, const Section& text, const char* key, int64_t vocab_size) {
  const Section* place = agreeing_place(top, text, key);
  return place == nullptr ? -1 : token_id(*place, key, *place->find(key), vocab_size);
}

/// One id or a list of ids.
std::vector<int64_t> token_ids(const Section& s, const char* key, int64_t vocab_size) {
  const json& value = *s.find(key);
  if (!value.is_array()) return {token_id(s, key, value, vocab_size)};
  if (value.empty()) wrong(s, key, value, "at least one token id");
  std::vector<int64_t> ids;
  for (const json& id : value) ids.push_back(token_id(s, key, id, vocab_size));
  return ids;
}

void read_token_ids(const Section& top, const Section& text, ModelConfig& config) {
  const int64_t vocab = config.text.vocab_size;
  const auto read = [&](const char* key) { return token_id_or_none(top, text, key, vocab); };
  config.image_token_id = read("image_token_id");
  config.video_token_id = read("video_token_id");
  config.image_start_token_id = read("image_start_token_id");
  config.image_end_token_id = read("image_end_token_id");
  config.video_start_token_id = read("video_start_token_id");
  config.video_end_token_id = read("video_end_token_id");
  // GLM-4.1V and GLM-4.5V place these two differently, so there is no default to fall back to.
  if (config.image_token_id < 0) missing(top, "image_token_id");
  if (config.video_token_id < 0) missing(top, "video_token_id");
  if (config.image_token_id == config.video_token_id) {
    usage_error(top.name, ": image_token_id and video_token_id are both ", config.image_token_id);
  }
  for (const Section* s : {&text, &top}) {
    if (config.eos_token_ids.empty() && s->find("eos_token_id")) {
      config.eos_token_ids = token_ids(*s, "eos_token_id", vocab);
    }
    if (config.pad_token_id < 0 && s->find("pad_token_id")) {
      config.pad_token_id = token_id(*s, "pad_token_id", *s->find("pad_token_id"), vocab);
    }
  }
}

/// Weights are judged tensor by tensor; here only what a reader of the configuration wants to know.
QuantizationConfig read_quantization(const Section& top) {
  QuantizationConfig q;
  const auto section = subsection_if_any(top, "quantization_config");
  if (!section) return q;
  q.method = text_or_empty(*section, "quant_method");
  if (q.method.empty()) missing(*section, "quant_method");
  q.format = text_or_empty(*section, "format");
  if (const json* ignore = section->find("ignore")) {
    if (!ignore->is_array()) wrong(*section, "ignore", *ignore, "a list");
    q.ignored = static_cast<int64_t>(ignore->size());
  }
  return q;
}

/// What generation stops at is settled by generation_config.json where there is one.
void read_generation_config(const fs::path& folder, ModelConfig& config) {
  const fs::path path = folder / "generation_config.json";
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return;
  const json parsed = parse_json_object(read_file(path.string(), kMaxFileBytes), path.string());
  const Section generation{&parsed, path.string()};
  if (generation.find("eos_token_id")) {
    config.eos_token_ids = token_ids(generation, "eos_token_id", config.text.vocab_size);
  }
  if (config.pad_token_id < 0 && generation.find("pad_token_id")) {
    config.pad_token_id =
        token_id(generation, "pad_token_id", *generation.find("pad_token_id"), config.text.vocab_size);
  }
}

}  // namespace

ModelConfig parse_config(const std::string& json_text, const std::string& path) {
  const json parsed = parse_json_object(json_text, path);
  const Section top{&parsed, path};
  ModelConfig config;
  config.path = path;
  config.model_type = text_or_empty(top, "model_type");
  if (config.model_type.empty()) missing(top, "model_type");
  config.family = family_of(top, config.model_type);
  config.architecture = first_architecture(top);
  const Section text = subsection(top, "text_config"), vision = subsection(top, "vision_config");
  check_names(config, text);
  config.dtype = stored_dtype(top, text);
  read_text_config(top, text, config);
  read_vision_config(vision, config);
  check_total(config);
  read_token_ids(top, text, config);
  config.quantization = read_quantization(top);
  return config;
}

ModelConfig read_config(const std::string& path) {
  std::error_code ignored;
  const fs::path file = fs::is_directory(path, ignored) ? fs::path(path) / "config.json" : fs::path(path);
  ModelConfig config = parse_config(read_file(file.string(), kMaxFileBytes), file.string());
  read_generation_config(file.parent_path(), config);
  return config;
}

}  // namespace glmv
