#include "tests/random_engine.h"

#include <algorithm>
#include <cmath>

#include "crosscheck/mistake_tools.h"
#include "crosscheck/stages.h"
#include "reference/core/splitmix.h"
#include "reference/model/procedural_weights.h"

namespace glmv {
namespace {

const std::string kSource = GLMV_SOURCE_DIR;

/// Uniform numbers of a seed.
class Draw {
 public:
  explicit Draw(uint64_t seed, std::string_view what) : hash_(procedural_hash(concat(what, seed))) {}
  double unit() { return procedural_unit(hash_, next_++); }
  int64_t below(int64_t n) { return static_cast<int64_t>(unit() * static_cast<double>(n)); }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<int64_t>(values.size()))];
  }

 private:
  uint64_t hash_, next_ = 0;
};

ModelConfig random_config(uint64_t seed, Kind kind, int64_t layers) {
  Draw draw(seed, "config");
  ModelConfig c = read_config(kSource + "/tests/golden/" + (kind == Kind::dense ? "dense_a" : "moe_a"));
  c.text.num_layers = layers;
  c.text.hidden_size = c.vision.out_hidden_size = draw.one_of<int64_t>({32, 40, 48, 64});
  c.text.rope_theta = draw.one_of<double>({10000, 500000});
  c.text.intermediate_size = draw.one_of<int64_t>({48, 56, 72});
  c.vision.depth = 2;
  c.vision.image_size = c.vision.patch_size * draw.one_of<int64_t>({5, 6, 7});
  if (kind == Kind::dense) {
    c.text.hidden_size = c.vision.out_hidden_size = c.text.num_heads * c.text.head_dim;
    return c;
  }
  c.text.num_experts = draw.one_of<int64_t>({12, 16, 20});
  c.text.routed_scaling_factor = static_cast<float>(1.3 + 1.4 * draw.unit());
  return c;
}

/// As procedural weights, with values of the seed's own. Norm weights and biases are well off one and zero.
Weights random_weights(uint64_t seed, const ModelConfig& config, Kind kind) {
  Weights weights;
  std::vector<Tensor> made;
  for_each_weight(config, weights, [&](const WeightInfo& info, Weight& slot) {
    const bool correction = info.name.ends_with("e_score_correction_bias");
    ConstTensorView like;
    like.rank = static_cast<int>(info.shape.size());
    std::copy(info.shape.begin(), info.shape.end(), like.dim);
    Tensor t(correction ? DType::f32 : DType::bf16, like);
    // A large common part of the correction biases changes no choice, but leaves bf16 few steps between them, or f32.
    const Procedural law =
        correction ? Procedural{0.15, kind == Kind::far_biased ? 1000.0 : 24.0} : procedural_law(info);
    fill_procedural(concat(seed, ' ', info.name), law, t.view);
    made.push_back(t);
    slot.data = made.back().view;
  });
  weights.owned = std::move(made);
  adapt_weights(config, weights);
  return weights;
}

void append(std::vector<int64_t>& ids, int64_t id, int64_t times = 1) {
  ids.insert(ids.end(), static_cast<size_t>(times), id);
}

Tensor random_pixels(uint64_t seed, const std::string& name, const std::vector<Grid>& grids, const ModelConfig& c) {
  int64_t patches = 0;
  for (const Grid& g : grids) patches += g[0] * g[1] * g[2];
  Tensor t(DType::f32, {patches, c.vision.patch_numbers()});
  fill_procedural(concat(seed, name), {1.8, 0.2}, t.view);
  return t;
}

Prompt prompt_of(uint64_t seed, const ModelConfig& c) {
  Draw draw(seed, "prompt");
  const std::vector<int64_t> text = random_prompt(c, 24, seed).ids;
  size_t used = 0;
  Prompt p;
  const auto say = [&](size_t words) {
    for (size_t i = 0; i < words; ++i) p.ids.push_back(text[used++ % text.size()]);
  };
  const auto picture = [&](const Grid& g) {
    append(p.ids, c.image_start_token_id);
    append(p.ids, c.image_token_id, g[1] * g[2] / 4);
    append(p.ids, c.image_end_token_id);
  };
  p.image_grids = {{1, 4, draw.one_of<int64_t>({6, 8})}, {1, 6, 4}};
  p.video_grids = {{2, 4, draw.one_of<int64_t>({4, 6})}};
  say(4);
  for (const Grid& g : p.image_grids) picture(g), say(2);
  append(p.ids, c.video_start_token_id);
  for (int64_t t = 0; t < p.video_grids[0][0]; ++t) picture(p.video_grids[0]), say(1);
  append(p.ids, c.video_end_token_id);
  say(5);
  p.types = token_types(p.ids, c);
  p.positions = rope_index(p.ids, p.image_grids, p.video_grids, c);
  p.pixel_values = random_pixels(seed, "pictures", p.image_grids, c);
  p.pixel_values_videos = random_pixels(seed, "clips", p.video_grids, c);
  return p;
}

/// Noise over a slope: an edge for every filter, and no two corners alike.
Image noise_picture(Draw& draw, int64_t width, int64_t height) {
  Image image{width, height, {}};
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      for (int64_t c = 0; c < 3; ++c) {
        const double slope = 40.0 * static_cast<double>(c) +
                             90.0 * static_cast<double>(x) / static_cast<double>(width) +
                             60.0 * static_cast<double>(y) / static_cast<double>(height);
        image.rgb.push_back(static_cast<uint8_t>(slope + 25 * draw.unit()));
      }
    }
  }
  return image;
}

Clip noise_clip(Draw& draw, int64_t frames, double every) {
  Clip clip;
  const int64_t width = 60 + draw.below(40), height = 50 + draw.below(40);
  for (int64_t f = 0; f < frames; ++f) {
    clip.frames.push_back(noise_picture(draw, width, height));
    clip.seconds.push_back(every * static_cast<double>(f) + 1);
  }
  return clip;
}

/// The token that greedy search picks behind the prompt.
int64_t greedy_token(const OurSide& engine, const Script& script, DType activation) {
  RecordOptions how;
  how.activation = activation;
  how.until = "logits";
  how.wants = [](std::string_view name) { return name == "logits"; };
  const Tensor logits = f64_of(record(engine.mutant.model, engine.mutant.backend, script, how).get("logits").view);
  const int64_t vocabulary = logits.view.dim[1];
  const double* last = logits.data<double>() + logits.view.size() - vocabulary;
  return std::max_element(last, last + vocabulary) - last;
}

/// One departure explained; `named`: is it this one?
Verdict verdict_of(const CrosscheckReport& r, const Mistake& m) {
  Verdict v;
  v.visible = !r.within();
  v.named = std::count(r.explained_by.begin(), r.explained_by.end(), m.name) > 0;
  v.alone = v.named && r.explained_by.size() == 1;
  if (v.visible) v.said = "at " + r.points[static_cast<size_t>(r.first)].name + ":";
  for (const std::string& name : r.explained_by) v.said += ' ' + name;
  return v;
}

Verdict verdict_on_inputs(const Mistake& m, uint64_t seed) {
  static const Model twin = Model::open(kSource + "/data/tiny/glm45v");
  PromptRequest request = random_request(seed);
  if (m.name == "exif=ignored") {
    const std::string path = concat(kSource, "/tests/golden/images/exif_", 2 + seed % 7, ".jpg");
    request.images = {read_image(path), read_image(path)};
  }
  const Prompt wrong = make_prompt(request, {&m});
  Theirs theirs;
  theirs.label = "engine with " + m.name;
  for (const auto& [name, value] : prompt_tensors(wrong)) {
    theirs.converted.push_back(value);
    theirs.points[name] = value.view;
  }
  CrosscheckOptions options;
  options.request = &request;
  return verdict_of(crosscheck(twin, theirs, options), m);
}

}  // namespace

RandomModel random_model(uint64_t seed, Kind kind, int64_t layers) {
  RandomModel r;
  r.model.dir = concat("random model ", seed);
  r.model.config = random_config(seed, kind, layers);
  r.model.weights = random_weights(seed, r.model.config, kind);
  if (kind == Kind::quantised) {
    Mutant quantised(r.model);
    find_mistake("text_weights=fp8").build(quantised);
    r.model.weights = quantised.model.weights;
  }
  r.script.prompt = prompt_of(seed, r.model.config);
  r.script.tokens = {0};
  return r;
}

PromptRequest random_request(uint64_t seed) {
  static const Processor twin = Processor::open(kSource + "/data/tiny/glm45v");
  Draw draw(seed, "request");
  PromptRequest r{twin, {}, {}, {}, {}};
  const auto side = [&] { return 60 + draw.below(120); };
  for (int i = 0; i < 2; ++i) {
    const int64_t width = side();
    r.images.push_back(noise_picture(draw, width, side()));
  }
  r.clips = {noise_clip(draw, 4, 1.5 + draw.unit()), noise_clip(draw, 6, 2.5 + draw.unit())};
  r.options.enable_thinking = seed % 3 != 0;
  // Limits that some pictures meet, so that how they are counted can be seen.
  const int64_t cell = r.processor.image.patch_size * r.processor.image.merge_size;
  r.processor.image.max_volume = (seed % 2 == 0 ? 24 : 200) * cell * cell;
  r.processor.image.min_volume = std::min(r.processor.image.min_volume, r.processor.image.max_volume);
  r.messages = {{"system", {{ContentPart::Kind::text, "Count."}}, {}}, {"user", {}, {}}};
  std::vector<ContentPart>& parts = r.messages[1].content;
  parts.resize(2, {ContentPart::Kind::image, ""});
  parts.resize(4, {ContentPart::Kind::video, ""});
  parts.push_back({ContentPart::Kind::text, "How many circles are there?"});
  return r;
}

Theirs engine_trace(const Model& model, const Script& script, const std::vector<const Mistake*>& with,
                    DType activation) {
  const OurSide engine(model, with);
  Script theirs = script;
  for (const Mistake* m : with) {
    if (m->positions) m->positions(theirs.prompt, model.config);
  }
  if (theirs.tokens.size() == 1) {
    theirs.tokens.clear();
    theirs.tokens = {greedy_token(engine, theirs, activation)};
  }
  RecordOptions how;
  how.activation = activation;
  Recording recording = record(engine.mutant.model, engine.mutant.backend, theirs, how);
  return theirs_from(std::move(recording), "engine");
}

Kind kind_for(const Mistake& m) {
  if (m.name == "post_norms=omitted") return Kind::dense;
  if (m.name == "router_scores=recovered") return Kind::far_biased;
  return m.name.rfind("fp8_scales", 0) == 0 ? Kind::quantised : Kind::moe;
}

Verdict verdict_on(const Mistake& m, uint64_t seed) {
  if (spoils_inputs(m)) return verdict_on_inputs(m, seed);
  const RandomModel random = random_model(seed, kind_for(m), 2);
  const Theirs theirs = engine_trace(random.model, random.script, {&m});
  return verdict_of(crosscheck(random.model, theirs, {}), m);
}

namespace {

/// What is allowed at each element of a point, as Judge measures it: 1 ulp and twice the noise of the row.
std::vector<double> allowed_at(const Runs& runs, const std::string& point) {
  const Tensor values = f64_of(runs.gold.get(point).view);
  const ConstTensorView gold = values.view;
  Noise n;
  n.rounded_to = runs.ours.get(point).view.dtype;
  n.legal = {runs.ours.get(point)};
  for (const Recording& run : runs.other_orders) n.legal.push_back(run.get(point));
  const std::vector<double> rows = row_noise(gold, n);
  std::vector<double> allowed;
  for (int64_t i = 0; i < gold.size(); ++i) {
    const auto row = static_cast<size_t>(i / (gold.size() / gold.dim[0]));
    const double value = values.data<double>()[i];
    allowed.push_back(ulp_at(n.rounded_to, value) + n.factor * rows[row]);
  }
  return allowed;
}

}  // namespace

PlantedError plant_error(const Model& model, Theirs& theirs, uint64_t seed, double factor) {
  const OurSide ours(model, {});
  const Runs runs = run_all(ours, {theirs, script_of(model, theirs), DType::f32, 0, "", false, {}});
  std::vector<std::string> points;
  for (const auto& [name, view] : theirs.points) {
    if (is_float(view.dtype) && stage_of(name) > 3 && split_step(name).step == 0) points.push_back(name);
  }
  Draw draw(seed, "planted");
  PlantedError planted{points[static_cast<size_t>(draw.below(static_cast<int64_t>(points.size())))], 0};
  const Tensor& gold = runs.gold.get(planted.point);
  planted.element = draw.below(gold.view.size());
  Tensor spoiled(DType::f32, gold.view);
  convert(theirs.points.at(planted.point), spoiled.view);
  const double allowed = allowed_at(runs, planted.point)[static_cast<size_t>(planted.element)];
  const double sign = draw.unit() < 0.5 ? -1 : 1;
  spoiled.data<float>()[planted.element] =
      static_cast<float>(f64_of(gold.view).data<double>()[planted.element] + sign * factor * allowed);
  theirs.points[planted.point] = spoiled.view;
  theirs.converted.push_back(spoiled);
  return planted;
}

}  // namespace glmv
