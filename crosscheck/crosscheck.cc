// Start at crosscheck() at the end.
#include "crosscheck/crosscheck.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "crosscheck/stages.h"

namespace glmv {
namespace {

const std::string kTopkIds = ".mlp.gate.topk_ids", kGateLogits = ".mlp.gate.logits";

std::string layer_name(int64_t layer) { return concat("model.language_model.layers.", layer); }

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool equal_extents(const ConstTensorView& a, const ConstTensorView& b) {
  return a.rank == b.rank && std::equal(a.dim, a.dim + a.rank, b.dim);
}

/// Their choice of a layer as i32 [T, K] if every row names K different experts, else nothing.
Tensor well_formed_choice(const ConstTensorView& ids, int64_t tokens, const TextConfig& config) {
  if (is_float(ids.dtype) || ids.rank != 2 || ids.dim[0] != tokens || ids.dim[1] != config.num_experts_per_tok)
    return {};
  Tensor choice(DType::i32, ids);
  convert(ids, choice.view);
  for (int64_t t = 0; t < tokens; ++t) {
    const int32_t* row = choice.data<int32_t>() + t * ids.dim[1];
    const std::set<int32_t> distinct(row, row + ids.dim[1]);
    const bool in_range = *distinct.begin() >= 0 && *distinct.rbegin() < config.num_experts;
    if (!in_range || static_cast<int64_t>(distinct.size()) != ids.dim[1]) return {};
  }
  return choice;
}

std::map<int64_t, Tensor> forced_choices(const ModelConfig& config, const Theirs& theirs, int64_t pass,
                                         int64_t tokens) {
  std::map<int64_t, Tensor> forced;
  for (int64_t layer = 0; layer < config.text.num_layers; ++layer) {
    const auto found = theirs.points.find(join_step(pass, layer_name(layer) + kTopkIds));
    if (!config.text.is_moe_layer(layer) || found == theirs.points.end()) continue;
    Tensor choice = well_formed_choice(found->second, tokens, config.text);
    if (choice) forced[layer] = std::move(choice);
  }
  return forced;
}

/// Our runs of one script: gold in f64, and the legal runs that measure the noise.
struct Runs {
  Recording gold, ours;
  std::vector<Recording> other_orders;
};

/// How our runs differ from one another.
struct Variant {
  std::string what;
  DType activation;
  Reduction reduction;
};

Recording run_one(const Model& model, const Theirs& theirs, const Script& script, const CrosscheckOptions& options,
                  const Variant& variant) {
  const Backend backend = options.mistake ? with_mistake(*options.mistake) : cpu_backend();
  RecordOptions how;
  how.activation = variant.activation;
  how.reduction = variant.reduction;
  how.page_size = options.page_size;
  how.wants = [&](std::string_view name) {  // logits decide the sampled ids even where a trace lacks them
    return theirs.points.count(std::string(name)) > 0 || split_step(name).point == "logits";
  };
  how.on_pass = [&](int64_t pass) {
    if (options.progress) options.progress(concat(variant.what, ", pass ", pass + 1, " of ", script.tokens.size() + 1));
  };
  return record(model, backend, script, how);
}

Runs run_all(const Model& model, const Theirs& theirs, const Script& script, const CrosscheckOptions& options) {
  const auto run = [&](const Variant& variant) { return run_one(model, theirs, script, options, variant); };
  Runs runs{run({"gold run in f64", DType::f64, Reduction::blocked}),
            run({"our run", options.dtype, Reduction::blocked}),
            {}};
  const ModelConfig& c = model.config;
  for (const Reduction r : legal_reductions(std::min(c.text.hidden_size, c.vision.hidden_size))) {
    if (r == Reduction::blocked) continue;
    runs.other_orders.push_back(run({concat("our run, ", words_for(r)), options.dtype, r}));
  }
  return runs;
}

/// One comparison at a time, with everything it needs at hand.
class Judge {
 public:
  Judge(const Model& model, const Theirs& theirs, const Runs& runs, const Mistake* mistake)
      : model_(model), theirs_(theirs), runs_(runs), mistake_(mistake) {}

  PointResult point(const std::string& name) const {
    PointResult r;
    r.name = name;
    r.stage = stage_of(name);
    const std::string local = split_step(name).point;
    if (is_input(local)) {
      r.kind = PointKind::given;
    } else if (r.stage <= 3) {
      exact(runs_.gold.get(name).view, r);
    } else if (!equal_extents(runs_.gold.get(name).view, theirs_.points.at(name))) {
      departs(r, concat("theirs is ", theirs_.points.at(name), ", ours ", runs_.gold.get(name).view));
    } else if (ends_with(name, kTopkIds)) {
      routing(r);
    } else {
      noise(r);
    }
    return r;
  }

  /// Our own preprocessing of the same media against the trace's inputs.
  PointResult preprocessed(const std::string& name, const Tensor& ours) const {
    PointResult r;
    r.name = name;
    r.stage = stage_of(name);
    exact(ours.view, r);
    return r;
  }

  /// The token that was fed to pass `step` against the logits of the pass before.
  PointResult sampled(int64_t step, int64_t token) const {
    PointResult r;
    r.name = join_step(step - 1, "sampled_id");
    r.stage = 11;
    r.kind = PointKind::sampled;
    const std::string logits = join_step(step - 1, "logits");
    const ConstTensorView gold = last_row(runs_.gold.get(logits).view);
    const double* value = static_cast<const double*>(gold.data);
    const auto best = static_cast<int64_t>(std::max_element(value, value + gold.dim[1]) - value);
    const double uncertain = 2 * allowed_of_row(logits, value[best]);
    if (token != best && value[best] - value[token] > uncertain) {
      departs(r, concat("theirs went on with token ", token, " (gold logit ", value[token], "), gold with ", best, " (",
                        value[best], ")"));
    }
    return r;
  }

 private:
  /// Inputs of the run: the trace's own, so there is nothing to compare unless we preprocessed them too.
  static bool is_input(const std::string& point) {
    return point == "input_ids" || stage_of(point) == 1 || ends_with(point, "grid_thw");
  }

  static ConstTensorView last_row(const ConstTensorView& v) { return slice(v, 0, v.dim[0] - 1, v.dim[0]); }

  static void departs(PointResult& r, std::string detail) {
    r.within = false;
    r.detail = std::move(detail);
  }

  void exact(const ConstTensorView& ours, PointResult& r) const {
    r.kind = PointKind::exact;
    const ConstTensorView& theirs = theirs_.points.at(r.name);
    if (!equal_extents(ours, theirs)) return departs(r, concat("theirs is ", theirs, ", ours ", ours));
    const ExactComparison c = compare_exact(ours, theirs);
    if (c.different > 0) {
      departs(r, concat(c.different, " of ", c.elements, " differ, first ", index_text(ours, c.first), ": theirs ",
                        c.got, ", ours ", c.expected));
    }
  }

  Noise ruler(const std::string& name) const {
    Noise n;
    n.rounded_to = runs_.ours.get(name).view.dtype;
    n.legal = {runs_.ours.get(name)};
    for (const Recording& run : runs_.other_orders) n.legal.push_back(run.get(name));
    const auto floor = theirs_.points.find("floor/" + name);
    if (floor != theirs_.points.end()) n.row_floor = floor->second;
    // A decode step has one row; what is usual for it is known from the prompt's rows.
    const PointName at = split_step(name);
    if (at.step > 0 && runs_.gold.has(at.point)) n.usual = usual_noise(runs_.gold.get(at.point).view, ruler(at.point));
    return n;
  }

  double allowed_of_row(const std::string& name, double at) const {
    const Noise n = ruler(name);
    return ulp_at(n.rounded_to, at) + n.factor * row_noise(runs_.gold.get(name).view, n).back();
  }

  void noise(PointResult& r) const {
    const ConstTensorView gold = runs_.gold.get(r.name).view, theirs = theirs_.points.at(r.name);
    Noise n = ruler(r.name);
    r.theirs = compare(gold, theirs, n);
    r.noise_ulp = distance(gold, n.legal[0].view, n.rounded_to).peak_ulp;
    if (!r.theirs.within()) {
      departs(r, concat(r.theirs.bad, " of ", r.theirs.elements, " beyond noise, worst ",
                        index_text(gold, r.theirs.worst), ": theirs ", r.theirs.got, ", gold ", r.theirs.gold,
                        ", allowed ", r.theirs.allowed, " (", r.theirs.excess, " times exceeded)"));
    }
    Tensor copy(theirs.dtype, theirs);
    convert(theirs, copy.view);
    n.legal[0] = copy;
    r.ours_within = compare(gold, runs_.ours.get(r.name).view, n).within();
  }

  /// sigmoid(logit) per expert of one token.
  static std::vector<double> scores(const Tensor& logits, int64_t t) {
    std::vector<double> s;
    for (int64_t e = 0; e < logits.view.dim[1]; ++e) {
      s.push_back(1 / (1 + std::exp(-logits.data<double>()[t * logits.view.dim[1] + e])));
    }
    return s;
  }

  /// The gate logits of every run at hand, f64; theirs too if they are within noise themselves.
  std::vector<Tensor> measured_logits(const std::string& name) const {
    std::vector<ConstTensorView> views = {runs_.ours.get(name).view};
    for (const Recording& run : runs_.other_orders) views.push_back(run.get(name).view);
    const auto theirs = theirs_.points.find(name);
    if (theirs != theirs_.points.end() && point(name).within) views.push_back(theirs->second);
    std::vector<Tensor> out;
    for (const ConstTensorView& v : views) {
      out.emplace_back(DType::f64, v);
      convert(v, out.back().view);
    }
    return out;
  }

  void routing(PointResult& r) const {
    r.kind = PointKind::routing;
    const PointName at = split_step(r.name);
    const std::string stem = at.point.substr(0, at.point.size() - kTopkIds.size());
    const std::string logits_name = join_step(at.step, stem + kGateLogits);
    const int64_t layer = std::stoll(stem.substr(stem.rfind('.') + 1));
    const TextConfig& config = model_.config.text;
    const Tensor choice = well_formed_choice(theirs_.points.at(r.name), runs_.gold.get(r.name).view.dim[0], config);
    if (!choice) return departs(r, "a row does not name K different experts of this layer");
    if (!runs_.gold.has(logits_name)) {  // a trace without router logits: nothing to judge a choice by
      r.kind = PointKind::given;
      return;
    }
    const Tensor gold = runs_.gold.get(logits_name);
    Tensor bias = f64_bias(layer);
    RoutingRule rule{config.n_group, config.topk_group};
    if (mistake_ && mistake_->choose) mistake_->choose(bias, rule);
    const std::vector<Tensor> measured = measured_logits(logits_name);
    for (int64_t t = 0; t < choice.view.dim[0] && r.within; ++t) {
      std::vector<double> best = scores(gold, t);
      double error = 0;
      for (const Tensor& run : measured) {
        const std::vector<double> s = scores(run, t);
        for (size_t e = 0; e < s.size(); ++e) error = std::max(error, std::abs(s[e] - best[e]));
      }
      for (size_t e = 0; e < best.size(); ++e) best[e] += bias.data<double>()[e];
      const int32_t* row = choice.data<int32_t>() + t * choice.view.dim[1];
      const std::vector<int64_t> chosen(row, row + choice.view.dim[1]);
      const RoutingVerdict v = judge_routing(best, chosen, rule, 2 * error);
      r.flips += v.flipped && v.legal;
      if (!v.legal) {
        departs(r, concat("token ", t, ": an expert left out scores ", v.gap,
                          " more than one chosen; scores are uncertain by ", error));
      }
    }
  }

  Tensor f64_bias(int64_t layer) const {
    const ConstTensorView stored = model_.weights.layers[static_cast<size_t>(layer)].moe.correction_bias.data;
    Tensor bias(DType::f64, stored);
    convert(stored, bias.view);
    return bias;
  }

  const Model& model_;
  const Theirs& theirs_;
  const Runs& runs_;
  const Mistake* mistake_;
};

void check_model_hash(const Model& model, const Theirs& theirs, CrosscheckReport& report) {
  constexpr int64_t kSmall = int64_t(1) << 30;  // hashing more than this would take longer than the cross-check
  const auto hash = theirs.metadata.find("model_sha256");
  if (hash == theirs.metadata.end() || model.checkpoint.data_bytes() > kSmall) return;
  if (hash->second != model.checkpoint.sha256()) {
    report.warnings.push_back(concat("the trace was made with other weights (model_sha256 ", hash->second.substr(0, 12),
                                     "…, ours ", model.checkpoint.sha256().substr(0, 12), "…)"));
  }
}

/// All comparisons, in the order of the forward pass; the sampled id of a pass follows its last point.
std::vector<PointResult> judge_all(const Judge& judge, const Theirs& theirs, const Script& script, const Runs& runs,
                                   const CrosscheckOptions& options) {
  std::vector<PointResult> results;
  std::set<std::string> preprocessed;
  if (options.preprocessed) {
    for (const auto& [name, value] : prompt_tensors(*options.preprocessed)) {
      if (theirs.points.count(name) == 0) continue;
      results.push_back(judge.preprocessed(name, value));
      preprocessed.insert(name);
    }
  }
  int64_t pass = 0;
  const auto finish_passes = [&](int64_t until) {
    for (; pass < until; ++pass) {
      results.push_back(judge.sampled(pass + 1, script.tokens[static_cast<size_t>(pass)]));
    }
  };
  for (const auto& [name, value] : runs.gold.points()) {
    finish_passes(split_step(name).step);
    if (theirs.points.count(name) > 0 && preprocessed.count(name) == 0) results.push_back(judge.point(name));
  }
  finish_passes(static_cast<int64_t>(script.tokens.size()));
  return results;
}

int64_t first_departure(const std::vector<PointResult>& points) {
  const auto found = std::find_if(points.begin(), points.end(), [](const PointResult& p) { return !p.within; });
  return found == points.end() ? -1 : found - points.begin();
}

/// Catalogue entries of the departure's stage that, built in, make it and all before it noise.
std::vector<std::string> explanations(const Model& model, const Theirs& theirs, Script script,
                                      const CrosscheckOptions& options, const CrosscheckReport& report) {
  std::vector<std::string> found;
  const PointResult& departure = report.points[static_cast<size_t>(report.first)];
  script.tokens.resize(static_cast<size_t>(split_step(departure.name).step));  // what comes later does not matter
  for (const Mistake& m : mistakes()) {
    if (m.stage != departure.stage) continue;
    if (options.progress) options.progress("trying " + m.name);
    CrosscheckOptions with = options;
    with.mistake = &m;
    with.progress = nullptr;
    const Runs runs = run_all(model, theirs, script, with);
    const int64_t first =
        first_departure(judge_all(Judge(model, theirs, runs, with.mistake), theirs, script, runs, with));
    if (first < 0 || first > report.first) found.push_back(m.name);
  }
  return found;
}

}  // namespace

Theirs theirs_from(const SafetensorsFile& trace) {
  Theirs t;
  t.label = trace.path();
  t.points = trace.tensors();
  t.metadata = trace.metadata();
  t.files.push_back(trace);
  return t;
}

Theirs theirs_from(Recording recording, const std::string& label) {
  Theirs t;
  t.label = label;
  t.recording = std::move(recording);
  for (const auto& [name, value] : t.recording.points()) t.points[name] = value.view;
  return t;
}

DType dtype_of_trace(const std::map<std::string, std::string>& metadata) {
  const auto found = metadata.find("dtype");
  if (found == metadata.end() || found->second == "f32") return DType::f32;
  if (found->second == "bf16") return DType::bf16;
  if (found->second == "f64") return DType::f64;
  input_error("the trace's metadata say dtype \"", found->second, "\"; known are f32, bf16, f64");
}

int64_t CrosscheckReport::flips() const {
  int64_t n = 0;
  for (const PointResult& p : points) n += p.flips;
  return n;
}

Script script_of(const Model& model, const Theirs& theirs) {
  Script script;
  script.prompt = prompt_from_trace(theirs.points, theirs.label, model.config);
  script.forced.push_back(forced_choices(model.config, theirs, 0, static_cast<int64_t>(script.prompt.ids.size())));
  for (int64_t step = 1;; ++step) {
    const auto fed = theirs.points.find(join_step(step, "input_ids"));
    if (fed == theirs.points.end()) break;
    const ConstTensorView id = fed->second;
    if (id.dtype != DType::i64 || id.size() != 1)
      input_error(theirs.label, ": ", fed->first, " is ", id, ", expected i64 [1]");
    const int64_t token = *static_cast<const int64_t*>(id.data);
    if (token < 0 || token >= model.config.text.vocab_size) {
      input_error(theirs.label, ": ", fed->first, " is ", token, ", the vocabulary has ", model.config.text.vocab_size);
    }
    script.tokens.push_back(token);
    script.forced.push_back(forced_choices(model.config, theirs, step, 1));
  }
  return script;
}

CrosscheckReport crosscheck(const Model& model, const Theirs& theirs, const CrosscheckOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  CrosscheckReport report;
  report.model = model.dir;
  report.theirs = theirs.label;
  report.backend = "cpu";
  report.dtype = options.dtype;
  if (options.mistake) report.mistake = options.mistake->name;
  check_model_hash(model, theirs, report);

  const Script script = script_of(model, theirs);
  const Runs runs = run_all(model, theirs, script, options);
  report.points = judge_all(Judge(model, theirs, runs, options.mistake), theirs, script, runs, options);
  report.first = first_departure(report.points);
  for (const auto& [name, view] : theirs.points) {
    if (!runs.gold.has(name) && name.rfind("floor/", 0) != 0) report.unknown.push_back(name);
  }
  if (report.first >= 0 && options.explain && !options.mistake) {
    report.explained_by = explanations(model, theirs, script, options, report);
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace glmv
