#include "crosscheck/record.h"

#include "crosscheck/stages.h"

namespace glmv {
namespace {

/// b below a.
Tensor stacked(const Tensor& a, const Tensor& b) {
  ConstTensorView extents = a.view;
  extents.dim[0] += b.view.dim[0];
  Tensor both(a.view.dtype, extents);
  convert(a.view, slice(both.view, 0, 0, a.view.dim[0]));
  convert(b.view, slice(both.view, 0, a.view.dim[0], both.view.dim[0]));
  return both;
}

Tensor tensor_of(DType dtype, std::initializer_list<int64_t> dims, int64_t value) {
  Tensor t(dtype, dims);
  for (int64_t i = 0; i < t.view.size(); ++i) t.data<int64_t>()[i] = value;
  return t;
}

/// Thrown by the probe to leave a forward pass: what is wanted of it is there.
struct Enough {};

/// A backend that has a fused op reaches the points inside it only when they are traced.
bool inside_fused_op(std::string_view point, const OpTable& ops) {
  return ops.fused_rope_kv_write && split_layer(point).inner == "self_attn.k_rot";
}

}  // namespace

void Recording::add(const std::string& name, Tensor value) {
  const auto [place, is_new] = at_.try_emplace(name, points_.size());
  if (is_new) {
    points_.emplace_back(name, std::move(value));
  } else {
    Tensor& known = points_[place->second].second;
    known = stacked(known, value);
  }
}

const Tensor& Recording::get(const std::string& name) const {
  const auto found = at_.find(name);
  GLMV_CHECK(found != at_.end(), "no point ", name, " was recorded");
  return points_[found->second].second;
}

Recording record(const Model& model, const DeviceWeights::Shared& weights, const Script& script,
                 const RecordOptions& options) {
  Recording recording;
  int64_t pass = 0;
  const auto wanted = [&](std::string_view point) {
    if (options.fused && inside_fused_op(point, weights->backend().ops)) return false;
    return !options.wants || options.wants(join_step(pass, point));
  };
  const auto keep = [&](std::string_view point, const Tensor& value) {
    if (wanted(point)) recording.add(join_step(pass, point), value);
    if (join_step(pass, point) == options.until) throw Enough{};
  };
  Probe probe{wanted, [&](std::string_view point, const ConstTensorView& value) {
                const std::string name = join_step(pass, point);
                recording.add(name, to_host(weights->backend(), value));
                if (name == options.until) throw Enough{};
              }};
  SessionOptions session_options;
  session_options.activation = options.activation;
  session_options.max_tokens = static_cast<int64_t>(script.prompt.ids.size() + script.tokens.size());
  session_options.page_size = options.page_size;
  session_options.chunk = options.chunk;
  session_options.reduction = options.reduction;
  session_options.probe = &probe;
  Session session(model, weights, session_options);

  const auto forced = [&] {
    const auto i = static_cast<size_t>(pass);
    return i < script.forced.size() && !script.forced[i].empty() ? &script.forced[i] : nullptr;
  };
  const auto run = [&] {
    if (options.on_pass) options.on_pass(pass);
    for (const auto& [name, value] : prompt_tensors(script.prompt)) keep(name, value);
    session.prefill(script.prompt, forced());
    for (const int64_t token : script.tokens) {
      ++pass;
      if (options.on_pass) options.on_pass(pass);
      keep("input_ids", tensor_of(DType::i64, {1}, token));
      keep("position_ids", tensor_of(DType::i64, {3, 1}, session.length() + script.prompt.positions.rope_delta));
      session.step(token, forced());
    }
  };
  try {
    run();
  } catch (const Enough&) {
    // The recording has all that was asked for.
  }
  return recording;
}

Recording record(const Model& model, const Backend& backend, const Script& script, const RecordOptions& options) {
  return record(model, DeviceWeights::upload(model.weights, backend), script, options);
}

}  // namespace glmv
