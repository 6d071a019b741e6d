#include "crosscheck/theirs.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "crosscheck/layout.h"
#include "crosscheck/name_maps.h"
#include "crosscheck/stages.h"

namespace glmv {
namespace {

constexpr std::string_view kFloor = "floor/";

/// Changes of one kind, told in one sentence however many tensors they met.
struct Change {
  std::string what, first;
  int64_t tensors = 0;

  void count(const std::string& name) {
    if (tensors++ == 0) first = name;
  }
  void note(std::vector<std::string>& notes) const {
    if (tensors == 1) notes.push_back(concat(what, ": ", first));
    if (tensors > 1) notes.push_back(concat(what, ": ", tensors, " tensors, the first is ", first));
  }
};

/// A batch axis of one is dropped: the first, in position_ids [3, 1, T] the second. True if there was one.
bool drop_batch_axis(const std::string& point, ConstTensorView& v) {
  const int axis = point == "position_ids" && v.rank == 3 && v.dim[1] == 1 ? 1 : 0;
  if (v.rank != rank_of_point(point) + 1 || v.dim[axis] != 1) return false;
  v = without_axis(v, axis);
  return true;
}

/// Ids, types, grids and positions are i64 with us.
bool is_integer_input(const std::string& point) {
  const int stage = stage_of(point);
  return stage == 2 || stage == 3;
}

bool holds_whole_numbers(const ConstTensorView& v) {
  Tensor values(DType::f64, v);
  convert(v, values.view);
  const double* value = values.data<double>();
  return std::all_of(value, value + v.size(), [](double x) { return std::abs(x) < 0x1p53 && x == std::trunc(x); });
}

/// What is read as it is meant, and how often.
class Meaning {
 public:
  explicit Meaning(Theirs& t) : t_(t) {}

  ConstTensorView of(const std::string& name, ConstTensorView v) {
    const std::string point = split_step(name).point;
    if (stage_of(point) >= 0 && drop_batch_axis(point, v)) batch_.count(name);
    if (is_integer_input(point) && !is_float(v.dtype) && v.dtype != DType::i64) {
      widened_.count(name);
      return as_i64(v);
    }
    if (stage_of(point) >= 0 && is_choice(point) && is_float(v.dtype) && holds_whole_numbers(v)) {
      whole_.count(name);
      return as_i64(v);
    }
    return v;
  }
  void note() const {
    batch_.note(t_.notes);
    widened_.note(t_.notes);
    whole_.note(t_.notes);
  }

 private:
  ConstTensorView as_i64(const ConstTensorView& v) {
    t_.converted.emplace_back(DType::i64, v);
    convert(v, t_.converted.back().view);
    return t_.converted.back().view;
  }

  Theirs& t_;
  Change batch_{"a batch axis of 1 was dropped", "", 0}, widened_{"integers were widened to i64", "", 0},
      whole_{"whole numbers stored as floats were read as integers", "", 0};
};

void check_floor(const std::string& label, const std::string& name, const ConstTensorView& v) {
  if (!is_float(v.dtype) || v.rank != 1) input_error(label, ": ", name, " is ", v, ", expected f32 or f64 [rows]");
  Tensor values(DType::f64, v);
  convert(v, values.view);
  for (int64_t i = 0; i < v.size(); ++i) {
    const double x = values.data<double>()[i];
    if (!(x >= 0) || std::isinf(x)) input_error(label, ": ", name, '[', i, "] is ", x, ", expected a distance >= 0");
  }
}

void add_floor(Theirs& t, const std::string& name, const ConstTensorView& v) {
  check_floor(t.label, name, v);
  if (!t.floors.emplace(name.substr(kFloor.size()), v).second)
    input_error(t.label, ": --map gives two tensors the name ", name);
}

void check_steps(const Theirs& theirs, int64_t steps) {
  for (const auto& [name, view] : theirs.points) {
    if (split_step(name).step <= steps || stage_of(name) < 0) continue;
    input_error(theirs.label, ": has ", name, " but no ", join_step(steps + 1, "input_ids"),
                ", the token that was fed to that step");
  }
}

int64_t fed_token(const Theirs& theirs, const std::string& name, const ModelConfig& config) {
  const ConstTensorView id = theirs.points.at(name);
  if (id.dtype != DType::i64 || id.size() != 1) input_error(theirs.label, ": ", name, " is ", id, ", expected i64 [1]");
  const int64_t token = *static_cast<const int64_t*>(id.data);
  if (token < 0 || token >= config.text.vocab_size)
    input_error(theirs.label, ": ", name, " is ", token, ", the vocabulary has ", config.text.vocab_size);
  return token;
}

std::map<int64_t, Tensor> forced_choices(const ModelConfig& config, const Theirs& theirs, int64_t pass,
                                         int64_t tokens) {
  std::map<int64_t, Tensor> forced;
  for (int64_t layer = 0; layer < config.text.num_layers; ++layer) {
    const std::string point = concat("model.language_model.layers.", layer, ".mlp.gate.topk_ids");
    const auto found = theirs.points.find(join_step(pass, point));
    if (!config.text.is_moe_layer(layer) || found == theirs.points.end()) continue;
    Tensor choice = well_formed_choice(found->second, tokens, config.text);
    if (choice) forced[layer] = std::move(choice);
  }
  return forced;
}

DType known_dtype(const std::string& label, const std::string& said) {
  static const std::map<std::string, DType> known = {
      {"f32", DType::f32},   {"float32", DType::f32},   {"torch.float32", DType::f32},
      {"bf16", DType::bf16}, {"bfloat16", DType::bf16}, {"torch.bfloat16", DType::bf16},
      {"f64", DType::f64},   {"float64", DType::f64},   {"torch.float64", DType::f64},
  };
  const auto found = known.find(said);
  if (found == known.end())
    input_error(label, ": metadata dtype is \"", said, "\"; computing in f32, bf16 and f64 is known (no f16)");
  return found->second;
}

/// One token's experts in ascending order, each with its weight; an expert that is named twice stays so.
void sort_row(int64_t* ids, double* weights, int64_t k) {
  std::vector<std::pair<int64_t, double>> pairs;
  for (int64_t i = 0; i < k; ++i) pairs.emplace_back(ids[i], weights == nullptr ? 0 : weights[i]);
  std::stable_sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (int64_t i = 0; i < k; ++i) {
    ids[i] = pairs[static_cast<size_t>(i)].first;
    if (weights != nullptr) weights[i] = pairs[static_cast<size_t>(i)].second;
  }
}

/// One rank's experts, and its weights if they are known. True if they were in another order.
bool sort_choice(Theirs& t, ConstTensorView& choice, ConstTensorView* weights) {
  if (is_float(choice.dtype) || choice.rank != 2) return false;
  const bool weighed = weights != nullptr && is_float(weights->dtype) && equal_extents(*weights, choice);
  Tensor ids(DType::i64, choice), values(DType::f64, choice);
  convert(choice, ids.view);
  if (weighed) convert(*weights, values.view);
  const int64_t k = choice.dim[1];
  bool ascending = true;
  for (int64_t row = 0; row < choice.dim[0]; ++row) {
    int64_t* of_row = ids.data<int64_t>() + row * k;
    ascending = ascending && std::is_sorted(of_row, of_row + k);
    sort_row(of_row, weighed ? values.data<double>() + row * k : nullptr, k);
  }
  if (ascending) return false;
  t.converted.push_back(ids);
  choice = ids.view;
  if (weighed) {
    t.converted.emplace_back(weights->dtype, values.view);
    convert(values.view, t.converted.back().view);
    *weights = t.converted.back().view;
  }
  return true;
}

/// Engines name a token's experts in the order of their scores; a weight belongs to the id in its place.
void sort_choices(Theirs& t) {
  constexpr std::string_view kWeights = ".mlp.gate.topk_weights";
  Change sorted{"a token's experts were put in ascending order, with their weights", "", 0};
  for (auto& [name, choice] : t.points) {
    if (stage_of(name) < 0 || !is_choice(name)) continue;
    const std::string weights_name = concat(name.substr(0, name.size() - kTopkIds.size()), kWeights);
    const auto weights = t.points.find(weights_name);
    const auto ids_of_ranks = t.ranks.find(name), weights_of_ranks = t.ranks.find(weights_name);
    const size_t ids_told = ids_of_ranks == t.ranks.end() ? 0 : ids_of_ranks->second.size();
    const size_t weights_told = weights_of_ranks == t.ranks.end() ? 0 : weights_of_ranks->second.size();
    for (size_t i = 0; i < std::max(ids_told, weights_told); ++i) {  // before the first rank's are put in order
      ConstTensorView same_choice = choice;
      sort_choice(t, i < ids_told ? ids_of_ranks->second[i].view : same_choice,
                  i < weights_told ? &weights_of_ranks->second[i].view : nullptr);
    }
    if (sort_choice(t, choice, weights == t.points.end() ? nullptr : &weights->second)) sorted.count(name);
  }
  sorted.note(t.notes);
}

/// Of the ranks only those are kept that differ from the first.
void forget_equal_ranks(Theirs& t) {
  for (auto& [name, others] : t.ranks) {
    const ConstTensorView first = t.points.at(name);
    std::erase_if(others, [&](const HeldByRank& other) { return same_values(other.view, first); });
  }
  std::erase_if(t.ranks, [](const auto& point) { return point.second.empty(); });
}

/// --map as it was given; without one, the map that the file says its names belong to (dump_torch.py writes it).
NameRules rules_for(const ForeignTensors& foreign, const NameRules& given, std::vector<std::string>& notes) {
  const auto said = foreign.metadata.find("names");
  if (given.given() || said == foreign.metadata.end() || find_name_map(said->second) == nullptr) return given;
  notes.push_back(concat("its metadata say that --map ", said->second, " knows its names"));
  return NameRules({said->second}, "");
}

/// What the names say about --map: rules that found nothing, and a map that would know them.
void note_names(Theirs& t, const ForeignTensors& foreign, const NameRules& names) {
  std::vector<std::string> theirs;
  for (const auto& [name, tensor] : foreign.tensors) theirs.push_back(name);
  for (const std::string& map : names.idle(theirs)) t.warnings.push_back(concat("--map ", map, " finds no name"));
  if (names.given()) return;
  const NameMap* likely = likely_name_map(theirs);
  if (likely != nullptr) t.warnings.push_back(concat("its names look like those that --map ", likely->name, " knows"));
}

}  // namespace

int rank_of_point(std::string_view point) {
  static const std::set<std::string_view> vectors = {"input_ids", "mm_token_type_ids", "rope_delta"};
  static const std::set<std::string_view> heads = {
      "attn.q",      "attn.k",      "attn.v",          "attn.context",    "self_attn.q",
      "self_attn.k", "self_attn.v", "self_attn.q_rot", "self_attn.k_rot", "self_attn.context"};
  const PointName at = split_step(point);
  if (vectors.count(at.point) > 0) return 1;
  return heads.count(split_layer(at.point).inner) > 0 ? 3 : 2;
}

Theirs theirs_from(const ForeignTensors& foreign, const NameRules& given, const ModelConfig* config) {
  Theirs t;
  const NameRules names = rules_for(foreign, given, t.notes);
  t.label = foreign.path;
  t.metadata = foreign.metadata;
  t.owners = foreign.owners;
  t.notes.insert(t.notes.end(), foreign.notes.begin(), foreign.notes.end());
  t.warnings = foreign.warnings;
  if (foreign.format != "safetensors") t.notes.insert(t.notes.begin(), foreign.format);
  OurLayout ours = to_our_layout(foreign, names, config);
  t.converted = ours.rearranged.made();
  t.notes.insert(t.notes.end(), ours.notes.begin(), ours.notes.end());
  t.warnings.insert(t.warnings.end(), ours.warnings.begin(), ours.warnings.end());
  Meaning meant(t);
  for (const auto& [name, tensor] : ours.tensors) {
    if (name.starts_with(kFloor)) {
      add_floor(t, name, tensor);
    } else {
      t.points.emplace(name, meant.of(name, tensor));
    }
  }
  for (const auto& [name, others] : ours.ranks) {
    if (name.starts_with(kFloor)) {
      const ConstTensorView first = ours.tensors.at(name);
      if (std::all_of(others.begin(), others.end(), [&](const HeldByRank& o) { return same_values(o.view, first); }))
        continue;
      t.warnings.push_back(concat(name, ": the ranks' differ; that of rank 0 is used"));
      continue;
    }
    for (const HeldByRank& other : others) t.ranks[name].push_back({other.who, meant.of(name, other.view)});
  }
  note_names(t, foreign, names);
  meant.note();
  sort_choices(t);
  forget_equal_ranks(t);
  return t;
}

Theirs theirs_from(const SafetensorsFile& trace, const NameRules& names) {
  return theirs_from(foreign_from(trace), names, nullptr);
}

void add_inputs(Theirs& theirs, const Theirs& inputs) {
  Change taken{concat("taken from ", inputs.label), "", 0};
  for (const auto& [name, view] : inputs.points) {
    const int stage = stage_of(name);
    if (stage < 1 || stage > 3 || split_step(name).step > 0 || !theirs.points.emplace(name, view).second) continue;
    taken.count(name);
    if (const auto ranks = inputs.ranks.find(name); ranks != inputs.ranks.end()) theirs.ranks.insert(*ranks);
  }
  theirs.converted.insert(theirs.converted.end(), inputs.converted.begin(), inputs.converted.end());
  theirs.owners.insert(theirs.owners.end(), inputs.owners.begin(), inputs.owners.end());
  if (taken.tensors > 0) theirs.inputs_label = inputs.label;
  taken.note(theirs.notes);
}

Theirs theirs_from(Recording recording, const std::string& label) {
  Theirs t;
  t.label = label;
  t.recording = std::move(recording);
  for (const auto& [name, value] : t.recording.points()) t.points[name] = value.view;
  return t;
}

namespace {

/// The router, the logits and, in some programs, the tables of angles are in f32 where all else is in bf16.
bool stays_f32(const std::string& name) {
  return name.find(".gate.") != std::string::npos || name.find(".rotary.") != std::string::npos ||
         split_step(name).point == "logits";
}

/// How the points are stored that the model computes, as far as they are floats.
struct Storage {
  int64_t bf16 = 0, wider = 0;  ///< of the wider ones those that are so in a program of bf16 do not count
};

Storage storage_of(const Theirs& theirs) {
  Storage s;
  for (const auto& [name, view] : theirs.points) {
    if (!is_float(view.dtype) || stage_of(name) <= 3) continue;
    if (view.dtype == DType::f16)
      input_error(theirs.label, ": ", name, " is ", view, "; computing in f32, bf16 and f64 is known (no f16)");
    s.bf16 += view.dtype == DType::bf16;
    s.wider += view.dtype != DType::bf16 && !stays_f32(name);
  }
  return s;
}

bool has_values_of_bf16(const ConstTensorView& v) {
  Tensor values(DType::f32, v);
  convert(v, values.view);
  const float* value = values.data<float>();
  return std::all_of(value, value + v.size(), [](float x) { return round_to(DType::bf16, x) == x; });
}

/// Is every wider value one of bf16?
bool looks_like_bf16(const Theirs& theirs) {
  return std::all_of(theirs.points.begin(), theirs.points.end(), [](const auto& point) {
    const auto& [name, view] = point;
    return !is_float(view.dtype) || stage_of(name) <= 3 || stays_f32(name) || has_values_of_bf16(view);
  });
}

}  // namespace

DType dtype_of_trace(const Theirs& theirs) {
  const auto said = theirs.metadata.find("dtype");
  if (said != theirs.metadata.end()) return known_dtype(theirs.label, said->second);
  const Storage s = storage_of(theirs);
  return s.bf16 > 0 && s.wider == 0 ? DType::bf16 : DType::f32;
}

std::string doubt_about_dtype(const Theirs& theirs) {
  if (theirs.metadata.count("dtype") > 0) return "";
  constexpr const char* kSay = "if it was computed in bf16, say --dtype bf16, or \"dtype\" in its metadata";
  const Storage s = storage_of(theirs);
  if (s.wider > 0 && s.bf16 > 0)
    return concat(s.bf16, " points of the trace are stored as bf16, ", s.wider, " are not: taken for f32; ", kSay);
  if (s.wider > 0 && looks_like_bf16(theirs)) return concat("every value of the trace is one of bf16: ", kSay);
  return "";
}

Tensor well_formed_choice(const ConstTensorView& ids, int64_t tokens, const TextConfig& config) {
  const int64_t k = config.num_experts_per_tok;
  if (is_float(ids.dtype) || ids.rank != 2 || ids.dim[0] != tokens || ids.dim[1] != k) return {};
  Tensor named(DType::i64, ids), choice(DType::i32, ids);
  convert(ids, named.view);
  for (int64_t t = 0; t < tokens; ++t) {
    const int64_t* row = named.data<int64_t>() + t * k;
    const std::set<int64_t> distinct(row, row + k);
    const bool in_range = *distinct.begin() >= 0 && *distinct.rbegin() < config.num_experts;
    if (!in_range || static_cast<int64_t>(distinct.size()) != k) return {};
  }
  convert(named.view, choice.view);
  return choice;
}

Script script_of(const Model& model, const Theirs& theirs) {
  const ModelConfig& config = model.config;
  Script script;
  const std::string completed = theirs.inputs_label.empty() ? "" : " completed by " + theirs.inputs_label;
  script.prompt = prompt_from_trace(theirs.points, theirs.label + completed, config);
  script.forced.push_back(forced_choices(config, theirs, 0, static_cast<int64_t>(script.prompt.ids.size())));
  for (int64_t step = 1; theirs.points.count(join_step(step, "input_ids")) > 0; ++step) {
    script.tokens.push_back(fed_token(theirs, join_step(step, "input_ids"), config));
    script.forced.push_back(forced_choices(config, theirs, step, 1));
  }
  check_steps(theirs, static_cast<int64_t>(script.tokens.size()));
  const size_t tokens = script.prompt.ids.size() + script.tokens.size();
  if (static_cast<int64_t>(tokens) > config.text.max_position_embeddings) {
    input_error(theirs.label, ": ", tokens, " tokens, the model has ", config.text.max_position_embeddings,
                " positions (max_position_embeddings)");
  }
  return script;
}

}  // namespace glmv
