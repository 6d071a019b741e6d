// Any bytes are a configuration or an Error: nothing else may leave parse_config, and what it accepts can be computed
// with: divisible heads, matching rotary sections, sizes whose products stay small.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "data/config.h"
#include "reference/core/error.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const glmv::ModelConfig& config) {
  const glmv::TextConfig& t = config.text;
  const glmv::VisionConfig& v = config.vision;
  require(t.num_heads % t.num_kv_heads == 0 && t.mrope_section.size() == 3);
  require(2 * (t.mrope_section[0] + t.mrope_section[1] + t.mrope_section[2]) == t.rotary_dim);
  require(t.rotary_dim > 0 && t.rotary_dim <= t.head_dim && t.rope_theta > 0);
  require((config.family == glmv::Family::moe) == (t.num_experts > 0));
  require(t.num_experts % t.n_group == 0 && t.num_experts_per_tok <= t.num_experts);
  require(v.head_dim() * v.num_heads == v.hidden_size && v.table_side() * v.patch_size == v.image_size);
  int64_t product = 0;
  require(!__builtin_mul_overflow(v.patch_numbers(), v.hidden_size, &product) && product > 0);
  require(config.image_token_id >= 0 && config.image_token_id < t.vocab_size);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    check(glmv::parse_config(std::string(reinterpret_cast<const char*>(data), size), "fuzz"));
  } catch (const glmv::Error& error) {
    require(error.code() == glmv::ExitCode::bad_input || error.code() == glmv::ExitCode::usage);
  }
  return 0;
}
