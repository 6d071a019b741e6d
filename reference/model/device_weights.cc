#include "reference/model/device_weights.h"

#include <map>
#include <tuple>

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

/// Copies tensors, each place of the host's memory once.
class Uploader {
 public:
  explicit Uploader(Arena& memory) : memory_(memory) {}

  void upload(ConstTensorView& v) {
    if (!v) return;
    const auto key = std::tuple(v.data, v.size(), v.dtype);
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
  std::map<std::tuple<const void*, int64_t, DType>, const void*> copies_;
};

}  // namespace

void for_each_matrix(Weights& weights, const Visit& f) {
  f(weights.embed_tokens);
  for (TextLayerWeights& layer : weights.layers) visit(layer, f);
  f(weights.norm), f(weights.lm_head);
  visit(weights.vision, f);
}

DeviceWeights::DeviceWeights(const Weights& host, const Backend& backend)
    : host_(host), on_host_(backend.space == Space::host), memory_(backend) {
  if (on_host_) return;
  copies_ = host;
  for (TextLayerWeights& layer : copies_.layers) layer.mlp.gate_up = {};  // its halves are copied
  Uploader uploader(memory_);
  for_each_matrix(copies_,
                  [&](Weight& w) { uploader.upload(w.data), uploader.upload(w.scale), uploader.upload(w.zero); });
}

}  // namespace glmv
