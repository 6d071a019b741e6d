#include "eval/manifest.h"

#include <algorithm>
#include <set>

#include "data/checkpoint.h"
#include "data/file.h"
#include "data/json_file.h"
#include "eval/strict.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {
constexpr uint64_t kMostBytes = 4u << 20;

std::map<std::string, std::string> text_map(StrictObject& object, const char* key) {
  std::map<std::string, std::string> out;
  const auto node = object.find(key);
  if (!node) return out;
  node->expect_object();
  for (const auto& [name, value] : node->value.items())
    out[name] = JsonNode{value, concat(node->where, '.', name)}.text();
  return out;
}

const std::set<std::string> kConversions = {"text",     "integer", "circular_group", "number",       "literal",
                                            "list",     "letters", "option_columns", "option_index", "option_text",
                                            "lettered", "json",    "joined",         "srt"};
const std::set<std::string> kMediaKinds = {"base64", "path", "pages", "video", "parts"};

std::string one_of(StrictObject& object, const char* key, const std::set<std::string>& allowed,
                   const std::string& otherwise) {
  std::string value = object.text_or(key, otherwise);
  if (allowed.count(value) == 0) {
    std::string names;
    for (const std::string& name : allowed) names += (names.empty() ? "" : ", ") + name;
    input_error(object.where(), ".", key, " is \"", value, "\", not one of ", names);
  }
  return value;
}

/// Error (exit code 3) for a number below `least`.
void check_least(int64_t value, int64_t least, const std::string& where, const char* key) {
  if (value < least) input_error(where, ".", key, " is ", value, ", less than ", least);
}

Field read_field(const std::string& name, const JsonNode& node) {
  Field out;
  out.name = name;
  if (node.value.is_string()) {
    out.column = node.text();
    return out;
  }
  StrictObject object(node);
  out.as = one_of(object, "as", kConversions, "text");
  out.columns = object.texts("columns");
  out.values = object.texts("values");
  out.optional = object.flag_or("optional", false);
  out.folder = object.text_or("folder", "");
  if (const auto otherwise = object.find("default")) out.otherwise = otherwise->value;
  if (out.columns.empty()) out.column = object.text("column");
  object.finish();
  const bool several = out.as == "option_columns" || out.as == "joined";
  if (out.columns.empty() == several) input_error(node.where, ": columns belong to option_columns and joined");
  if (out.folder.empty() == (out.as == "srt")) input_error(node.where, ": folder belongs to srt");
  return out;
}

MediaField read_media_field(const JsonNode& node) {
  StrictObject object(node);
  MediaField out;
  out.column = object.text("column");
  out.as = one_of(object, "as", kMediaKinds, "base64");
  out.folder = object.text_or("folder", "");
  out.suffix = object.text_or("suffix", "");
  out.optional = object.flag_or("optional", false);
  object.finish();
  return out;
}

Layout read_layout(const JsonNode& node) {
  StrictObject object(node);
  Layout out;
  out.kind = one_of(object, "kind", {"tsv", "json", "jsonl"}, "tsv");
  out.files = object.texts("files");
  out.rows = object.text_or("rows", "");
  out.keyed = object.text_or("keyed", "");
  out.explode = object.text_or("explode", "");
  out.shared = object.texts("shared");
  out.insert_media = object.text_or("insert_media", "");
  if (const auto keep = object.find("keep")) {
    keep->expect_object();
    for (const auto& [column, values] : keep->value.items()) {
      for (const JsonNode& value : JsonNode{values, concat(keep->where, '.', column)}.list())
        out.keep[column].push_back(value.text());
    }
  }
  out.hashes = text_map(object, "hashes");
  const JsonNode fields = object.at("fields");
  fields.expect_object();
  for (const auto& [name, value] : fields.value.items())
    out.fields.push_back(read_field(name, {value, concat(fields.where, '.', name)}));
  if (const auto media = object.find("media")) {
    for (const JsonNode& one : media->list()) out.media.push_back(read_media_field(one));
  }
  object.finish();
  if (out.files.empty()) input_error(node.where, ".files: at least one is wanted");
  if (std::none_of(out.fields.begin(), out.fields.end(), [](const Field& f) { return f.name == "id"; }))
    input_error(node.where, ".fields.id is missing: every sample has a name");
  for (const auto& [file, hash] : out.hashes) {
    if (!hash.starts_with("md5:") && !hash.starts_with("sha256:"))
      input_error(node.where, ".hashes: ", file, " is \"", hash, "\", neither md5: nor sha256:");
  }
  return out;
}

PromptPart read_part(const JsonNode& node) {
  if (node.value.is_string()) return {node.text(), "", Json::object()};
  StrictObject object(node);
  PromptPart out{object.text("text"), object.text_or("if", ""), Json::object()};
  if (const auto when = object.find("when")) {
    when->expect_object();
    out.when = when->value;
  }
  object.finish();
  return out;
}

Frame read_frame(const std::string& name, const JsonNode& node) {
  StrictObject object(node);
  Frame out;
  out.name = name;
  out.source = object.text("source");
  out.option = object.text_or("option", out.option);
  out.system = object.text_or("system", "");
  out.max_new_tokens = object.integer_or("max_new_tokens", 0);
  check_least(out.max_new_tokens, 0, object.where(), "max_new_tokens");
  for (const JsonNode& part : object.at("parts").list()) out.parts.push_back(read_part(part));
  object.finish();
  return out;
}

RuleSpec read_rule(const std::string& name, const JsonNode& node) {
  StrictObject object(node);
  RuleSpec out;
  out.name = name;
  out.what = object.text("what");
  out.reply = one_of(object, "reply", {"answer", "whole", "lmms_eval", "after_think", "box", "answer_tag"}, "answer");
  out.steps = object.at("steps").value;
  const auto aggregate = object.find("aggregate");
  out.aggregate = aggregate ? aggregate->value : Json{{"how", "mean"}};
  object.finish();
  return out;
}

/// Named things of an object in the order of a list, since JSON objects have none.
template <class T, class Read>
std::vector<T> ordered(StrictObject& object, const char* order_key, const char* key, const Read& read) {
  std::vector<T> out;
  const JsonNode node = object.at(key);
  node.expect_object();
  const std::vector<std::string> order = object.texts(order_key);
  if (order.size() != node.value.size())
    input_error(node.where, ": ", order_key, " names ", order.size(), " of ", node.value.size());
  out.reserve(order.size());
  for (const std::string& name : order) out.push_back(read(name, node.at(name.c_str())));
  return out;
}

Published read_published(const JsonNode& node) {
  StrictObject object(node);
  Published out;
  out.model = object.text("model");
  out.table = object.text_or("table", "main");
  if (const auto value = object.find("value")) out.value = value->number();
  out.mark = object.text_or("mark", "");
  out.confidence = object.text_or("confidence", "");
  out.source = object.text_or("source", "");
  object.finish();
  return out;
}

void read_source(StrictObject object, Manifest& m) {
  m.repository = object.text_or("repository", "");
  m.location = object.text("location");
  m.obtain = object.text("obtain");
  m.licence = object.text("licence");
  m.split = object.text("split");
  m.split_note = object.text_or("split_note", "");
  if (const auto samples = object.find("samples")) m.samples = samples->integer();
  m.samples_note = object.text("samples_note");
  m.hash_note = object.text("hash_note");
  object.finish();
}

void read_settings(StrictObject object, Manifest& m) {
  m.max_new_tokens = object.at("max_new_tokens").integer();
  m.image_tokens = object.at("image_tokens").integer();
  m.video_tokens = object.at("video_tokens").integer();
  check_least(m.max_new_tokens, 1, object.where(), "max_new_tokens");
  check_least(m.image_tokens, 0, object.where(), "image_tokens");
  check_least(m.video_tokens, 0, object.where(), "video_tokens");
  if (const auto thinking = object.find("thinking")) m.thinking = thinking->flag();
  object.finish();
}

}  // namespace

Manifest read_manifest(const std::string& path) {
  const std::string text = read_file(path, kMostBytes);
  const Json root = parse_json_object(text, path);
  StrictObject object({root, path + ':'});
  Manifest m;
  m.path = path;
  m.sha256 = sha256_hex(text.data(), text.size());
  if (object.text("schema") != "glmv.benchmark/1") input_error(path, ": schema is not glmv.benchmark/1");
  m.id = object.text("id");
  m.name = object.text("name");
  m.category = object.text("category");
  m.what = object.text("what");
  m.modality = object.text("modality");
  m.answer_type = object.text("answer_type");
  m.metric = object.text("metric");
  read_source(StrictObject(object.at("source")), m);
  for (const JsonNode& node : object.at("layouts").list()) m.layouts.push_back(read_layout(node));
  m.marker = object.text_or("media_marker", "");
  m.cluster = object.text_or("cluster", "");
  read_settings(StrictObject(object.at("generation")), m);
  m.frames = ordered<Frame>(object, "prompt_order", "prompts", read_frame);
  m.rules = ordered<RuleSpec>(object, "rule_order", "rules", read_rule);
  m.algorithms = object.texts("algorithms");
  StrictObject judge(object.at("judge"));
  m.needs_judge = judge.at("needed").flag();
  m.judge_model = judge.text_or("model", "");
  judge.finish();
  m.environment = object.text_or("environment", "");
  for (const JsonNode& node : object.at("published").list()) m.published.push_back(read_published(node));
  m.open_questions = object.texts("open_questions");
  m.notes = object.texts("notes");
  object.finish();
  if (m.frames.empty() || m.rules.empty() || m.layouts.empty())
    input_error(path, ": a layout, a prompt and a rule are wanted");
  return m;
}

}  // namespace glmv::eval
