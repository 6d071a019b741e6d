#include "reference/model/device_weights.h"

#include <map>
#include <set>
#include <tuple>

#include "reference/model/procedural_weights.h"

namespace glmv {
namespace {

using Visit = std::function<void(Weight&)>;

void visit(MlpWeights& w, const Visit& f) { f(w.gate), f(w.up), f(w.down); }

void visit(VisionWeights& v, const Visit& f) {
  f(v.patch_embed), f(v.patch_embed_bias), f(v.post_conv_norm), f(v.position_table);
  for (VisionBlockWeights& b : v.blocks) {
    f(b.norm1), f(b.norm2), f(b.qkv), f(b.proj);
    visit(b.mlp, f);
  }
  f(v.post_norm), f(v.downsample), f(v.downsample_bias);
  f(v.merger_proj), f(v.merger_norm), f(v.merger_norm_bias);
  visit(v.merger_mlp, f);
}

void visit(MoeWeights& m, const Visit& f) {
  f(m.gate), f(m.correction_bias);
  for (std::vector<Weight>* experts : {&m.expert_gate, &m.expert_up, &m.expert_down}) {
    for (Weight& w : *experts) f(w);
  }
  visit(m.shared, f);
}

void visit(TextLayerWeights& l, const Visit& f) {
  f(l.input_norm), f(l.post_attention_norm), f(l.post_self_attn_norm), f(l.post_mlp_norm);
  f(l.q), f(l.k), f(l.v), f(l.o), f(l.q_bias), f(l.k_bias), f(l.v_bias);
  visit(l.mlp, f);
  visit(l.moe, f);
}

/// Tensors with one key are one tensor.
using Key = std::tuple<const void*, int64_t, DType>;
Key key_of(const ConstTensorView& v) { return {v.data, v.size(), v.dtype}; }

/// Copies tensors, each place of the host's memory once.
class Uploader {
 public:
  explicit Uploader(Arena& memory) : memory_(memory) {}

  void upload(ConstTensorView& v) {
    const Key key = key_of(v);
    const auto known = copies_.find(key);
    const void* data = known != copies_.end() ? known->second : (copies_[key] = copied(v));
    v.data = data;
    v.space = memory_.backend().space;
    int64_t stride = 1;  // rows lie side by side there, whatever they did here
    for (int i = v.rank - 1; i >= 0; stride *= v.dim[i--]) v.stride[i] = stride;
  }

 private:
  const void* copied(const ConstTensorView& v) {
    const TensorView to = memory_.make(v.dtype, {v.size()});
    Tensor packed;
    if (!v.contiguous()) {
      packed = Tensor(v.dtype, v);
      convert(v, packed.view);
    }
    memory_.backend().to_device(to.data, packed ? packed.view.data : v.data, static_cast<size_t>(v.bytes()));
    return to.data;
  }

  Arena& memory_;
  std::map<Key, const void*> copies_;
};

/// What has to be copied; the halves of gate_up are, so it is not.
Weights to_copy(const Weights& host) {
  Weights w = host;
  w.owned.clear();
  for (TextLayerWeights& layer : w.layers) layer.mlp.gate_up = {};
  return w;
}

void for_each_tensor(Weights& weights, const std::function<void(ConstTensorView&)>& f) {
  for_each_matrix(weights, [&](Weight& w) {
    for (ConstTensorView* v : {&w.data, &w.scale, &w.zero}) {
      if (*v) f(*v);
    }
  });
}

/// Layers whose experts the backend wants a table of.
template <class F>
void for_each_table(const Backend& backend, Weights& weights, F f) {
  if (backend.write_experts == nullptr) return;
  for (TextLayerWeights& layer : weights.layers) {
    if (!layer.moe.expert_gate.empty()) f(layer.moe);
  }
}

size_t table_bytes(const Backend& backend, Weights& weights) {
  size_t bytes = 0;
  for_each_table(backend, weights,
                 [&](MoeWeights& m) { bytes += Arena::taken_by(backend.experts_bytes(m.experts())); });
  return bytes;
}

void write_tables(Arena& memory, Weights& weights) {
  const Backend& backend = memory.backend();
  for_each_table(backend, weights, [&](MoeWeights& m) {
    void* table = memory.make(DType::u8, {static_cast<int64_t>(backend.experts_bytes(m.experts()))}).data;
    backend.write_experts(m.experts(), table, {});
    m.table = table;
  });
  backend.sync({});
}

}  // namespace

void for_each_matrix(Weights& weights, const Visit& f) {
  f(weights.embed_tokens);
  for (TextLayerWeights& layer : weights.layers) visit(layer, f);
  f(weights.norm), f(weights.lm_head);
  visit(weights.vision, f);
}

DeviceWeights::Shared DeviceWeights::upload(const Weights& host, const Backend& backend) {
  if (backend.space == Space::host) {
    std::shared_ptr<DeviceWeights> d(new DeviceWeights(backend, 0));
    d->on_host_ = &host;
    return d;
  }
  Weights weights = to_copy(host);
  size_t bytes = 0;
  std::set<Key> counted;
  for_each_tensor(weights, [&](const ConstTensorView& v) {
    if (v.dtype == DType::f64)
      usage_error("backend ", backend.name, ": a weight ", v,
                  " is stored in f64, with which only the reference computes");
    if (counted.insert(key_of(v)).second) bytes += Arena::taken_by(static_cast<size_t>(v.bytes()));
  });
  bytes += table_bytes(backend, weights);
  check_memory(backend, bytes, "the weights");
  std::shared_ptr<DeviceWeights> d(new DeviceWeights(backend, bytes));
  Uploader uploader(d->memory_);
  for_each_tensor(weights, [&](ConstTensorView& v) { uploader.upload(v); });
  write_tables(d->memory_, weights);
  d->copies_ = std::move(weights);
  return d;
}

namespace {

std::string layers_text(const ModelConfig& config) {
  return concat(config.text.num_layers, config.text.num_layers == 1 ? " layer" : " layers");
}

/// One random tensor: its types, and where it goes.
struct Random {
  const WeightInfo& info;
  bool fp8;

  Random(const WeightInfo& i, const ModelConfig& config)
      : info(i), fp8(!config.quantization.method.empty() && i.component == Component::routed_experts) {}
  DType dtype() const {
    return fp8 ? DType::f8e4m3 : info.name.ends_with("e_score_correction_bias") ? DType::f32 : DType::bf16;
  }
  int64_t size() const {
    int64_t n = 1;
    for (const int64_t d : info.shape) n *= d;
    return n;
  }
  size_t bytes() const {
    const size_t scales = fp8 ? Arena::taken_by(static_cast<size_t>(info.shape[0]) * sizeof(float)) : 0;
    return scales + Arena::taken_by(static_cast<size_t>(size()) * size_of(dtype()));
  }

  void make(Arena& memory, Weight& slot) const {
    const Backend& b = memory.backend();
    const Procedural law = procedural_law(info);
    const int64_t rows = info.shape[0];
    const TensorView data =
        info.shape.size() == 1 ? memory.make(dtype(), {rows}) : memory.make(dtype(), {rows, size() / rows});
    slot = {};
    slot.data = data;
    if (!fp8) return b.fill(info.name, law, dtype(), data, {});
    constexpr double kLargest = 448;  // of f8e4m3
    const TensorView scale = memory.make(DType::f32, {rows, 1});
    b.fill(info.name, {kLargest, 0}, DType::f8e4m3, data, {});
    b.fill(info.name, {0, law.scale / kLargest}, DType::f32, scale, {});
    slot.format = Format::fp8_per_row;
    slot.scale = scale;
  }
};

void for_each_random(const ModelConfig& config, Weights& weights,
                     const std::function<void(const Random&, Weight&)>& f) {
  for_each_weight(config, weights, [&](const WeightInfo& info, Weight& slot) {
    if (info.component != Component::vision) f(Random(info, config), slot);
  });
}

}  // namespace

size_t DeviceWeights::random_bytes(const ModelConfig& config, const Backend& backend) {
  Weights nothing;
  size_t bytes = 0;
  for_each_random(config, nothing, [&](const Random& r, Weight&) { bytes += r.bytes(); });
  return bytes + table_bytes(backend, nothing);
}

DeviceWeights::Shared DeviceWeights::random(const ModelConfig& config, const Backend& backend) {
  GLMV_CHECK(backend.fill != nullptr, "backend ", backend.name, " makes no random weights");
  const size_t bytes = random_bytes(config, backend);
  check_memory(backend, bytes, concat("the weights of ", layers_text(config)));
  std::shared_ptr<DeviceWeights> d(new DeviceWeights(backend, bytes));
  Weights weights;
  for_each_random(config, weights, [&](const Random& r, Weight& slot) { r.make(d->memory_, slot); });
  adapt_weights(config, weights);
  write_tables(d->memory_, weights);
  d->copies_ = std::move(weights);
  return d;
}

}  // namespace glmv
