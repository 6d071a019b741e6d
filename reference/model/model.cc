#include "reference/model/model.h"

#include <filesystem>

#include "reference/core/compare.h"
#include "reference/core/rows.h"

namespace glmv {

Model Model::open(const std::string& model) {
  Model m;
  m.dir = resolve_model(model);
  m.config = read_config(m.dir);
  m.checkpoint = Checkpoint::open(m.dir);
  m.weights = load_weights(m.config, m.checkpoint);
  return m;
}

Model Model::without_weights(const std::string& model, int64_t layers) {
  Model m;
  m.dir = std::filesystem::is_regular_file(model) ? model : resolve_model(model);
  m.config = read_config(m.dir);
  if (layers > m.config.text.num_layers)
    usage_error(layers, " layers are wanted, ", m.config.path, " has ", m.config.text.num_layers);
  if (layers > 0) m.config.text.num_layers = layers;
  return m;
}

void refuse_logits(const Model& model, int64_t tokens) {
  for (const std::string& name : model.checkpoint.names()) {
    const ConstTensorView weight = model.checkpoint.get(name);
    const int64_t at = first_not_finite(weight);
    if (at < 0) continue;
    float value = 0;
    load_row(static_cast<const char*>(weight.data) + at * static_cast<int64_t>(size_of(weight.dtype)), weight.dtype, 1,
             &value);
    input_error(model.checkpoint.file_of(name), ": tensor ", name, index_text(weight, at), " is ", value,
                ", and so the logits are not finite");
  }
  input_error(model.dir, ": the logits after ", tokens, " tokens are not finite numbers, though all weights are");
}

}  // namespace glmv
