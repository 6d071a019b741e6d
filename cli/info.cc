// info: what a model is and what it costs; which backends this program has.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/flags.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "data/generation_config.h"
#include "reference/backends.h"
#include "reference/model/batch_session.h"
#include "reference/model/summary.h"

namespace glmv::cli {
namespace {
namespace fs = std::filesystem;

struct Flags {
  std::string model, output;
  int64_t context = 0, sequences = 1;
  bool json = false;
};

constexpr const char* kExamples = R"(Examples:
  glmv info
      the embedded tiny model: parameters, bytes, cache, arithmetic, backends
  glmv info --model tests/golden/dense_a/config.json
      the same for a configuration without weights
  glmv info --model zai-org/GLM-4.5V --context 65536 --sequences 4
      and what memory four sequences of 64K tokens take
  glmv info --model zai-org/GLM-4.5V --json
      a snapshot in the local Hugging Face cache, as JSON (glmv.info/1))";

/// The weights that lie beside the configuration, if any.
struct Files {
  bool present = false;
  int64_t files = 0, tensors = 0, file_bytes = 0, tensor_bytes = 0;
  std::vector<std::string> unused;
};

Files look_at_weights(const std::string& dir, const ModelConfig& config) {
  Files found;
  if (!fs::is_directory(dir)) return found;
  // A link to nothing counts as there: opening it says what is wrong.
  const auto is_there = [&](const char* file) { return fs::exists(fs::symlink_status(dir + file)); };
  if (!is_there("/model.safetensors") && !is_there("/model.safetensors.index.json")) return found;
  const Checkpoint checkpoint = Checkpoint::open(dir);
  load_weights(config, checkpoint);  // a missing or misshapen tensor is an error here and now
  found.present = true;
  found.files = static_cast<int64_t>(checkpoint.files().size());
  found.tensors = static_cast<int64_t>(checkpoint.names().size());
  for (const std::string& file : checkpoint.files()) found.file_bytes += static_cast<int64_t>(fs::file_size(file));
  found.tensor_bytes = checkpoint.data_bytes();
  found.unused = unused_tensors(config, checkpoint);
  return found;
}

/// Names of the ops of the table, in its order.
std::vector<std::string> op_names() {
  std::vector<std::string> names;
  OpTable().for_each([&](const char* name, const auto&) { names.emplace_back(name); });
  return names;
}

std::vector<std::string> ops_of(const Backend& backend) {
  std::vector<std::string> names;
  backend.ops.for_each([&](const char* name, const auto& op) {
    if (op) names.emplace_back(name);
  });
  return names;
}

/// Names of the backends that have an op.
std::vector<std::string> backends_with(const std::string& op) {
  std::vector<std::string> names;
  for (const Backend* b : linked_backends()) {
    const std::vector<std::string> ops = ops_of(*b);
    if (std::find(ops.begin(), ops.end(), op) != ops.end()) names.emplace_back(b->name);
  }
  return names;
}

std::string heads_text(const ModelConfig& c) {
  const TextConfig& t = c.text;
  std::string experts = "dense MLP " + std::to_string(t.intermediate_size);
  if (t.num_experts > 0) {
    experts = fmt::format("{} experts of {}, top {} + {} shared, {} of {} groups, scaling {}; {} dense layers first",
                          t.num_experts, t.moe_intermediate_size, t.num_experts_per_tok, t.num_shared_experts,
                          t.topk_group, t.n_group, t.routed_scaling_factor, t.first_dense_layers);
  }
  const VisionConfig& v = c.vision;
  return fmt::format(
      "  text      {} layers, hidden {}, {} query / {} kv heads of {}, vocabulary {}, {} positions\n"
      "            {}\n"
      "  rotary    {} of {} dimensions, theta {}, sections {}/{}/{}, {} ({} in the file)\n"
      "  vision    {} blocks, hidden {}, {} heads of {}, patches {}x{}x{}, {}x{} merged, position table {}x{}\n",
      t.num_layers, t.hidden_size, t.num_heads, t.num_kv_heads, t.head_dim, grouped(t.vocab_size),
      grouped(t.max_position_embeddings), experts, t.rotary_dim, t.head_dim, t.rope_theta, t.mrope_section[0],
      t.mrope_section[1], t.mrope_section[2], c.family == Family::moe ? "pairs (j, j+R/2)" : "pairs (2j, 2j+1)",
      c.rope_layout, v.depth, v.hidden_size, v.num_heads, v.head_dim(), v.temporal_patch_size, v.patch_size,
      v.patch_size, v.spatial_merge_size, v.spatial_merge_size, v.table_side(), v.table_side());
}

std::string costs_text(const ModelSummary& s) {
  std::string out;
  for (const ComponentCount& c : s.components) {
    out +=
        fmt::format("  {:<18}{:>18}  in {} tensors\n", name_of(c.component), grouped(c.parameters), grouped(c.tensors));
  }
  out += fmt::format("  {:<18}{:>18}  in {} tensors: text {}, vision {}\n", "total", grouped(s.parameters),
                     grouped(s.tensors), grouped(s.text_parameters), grouped(s.vision_parameters));
  out += fmt::format("  {:<18}{:>18}  per token; {} with lm_head\n", "active", grouped(s.active_parameters),
                     grouped(s.active_parameters_with_head));
  out += fmt::format("  {:<18}{:>18}  in bf16 ({})\n", "bytes", grouped(s.bytes_as_published),
                     bytes_text(s.bytes_as_published));
  out += fmt::format("  {:<18}{:>18}  per token in bf16\n", "KV cache bytes", grouped(2 * s.kv_values_per_token));
  out += fmt::format("  {:<18}{:>18}  per token, + {} per key seen, + {} per row of logits\n", "FLOPs, decoder",
                     grouped(s.decoder_flops_per_token), grouped(s.attention_flops_per_key),
                     grouped(s.head_flops_per_row));
  return out + fmt::format("  {:<18}{:>18}  per patch, attention not counted\n", "FLOPs, vision",
                           grouped(s.vision_flops_per_patch));
}

/// What the snapshot's generation_config.json asks for, next to what glmv does.
std::string sampling_text(const std::optional<PublishedSampling>& sampling) {
  if (!sampling) return "  sampling  no generation_config.json here; generate is greedy\n";
  const char* ours = sampling->is_greedy() ? "" : "; generate is greedy unless --as-configured";
  return fmt::format("  sampling  {}{}{}\n", sampling->text(),
                     sampling->is_greedy() && sampling->do_sample ? " (greedy in effect)" : "", ours);
}

Json sampling_json(const PublishedSampling& s) {
  return {{"do_sample", s.do_sample},
          {"temperature", s.temperature},
          {"top_k", s.top_k},
          {"top_p", s.top_p},
          {"min_p", s.min_p},
          {"repetition_penalty", s.repetition_penalty},
          {"max_new_tokens", s.max_new_tokens ? Json(*s.max_new_tokens) : Json()},
          {"unsupported", s.unsupported}};
}

std::string files_text(const Files& f) {
  if (!f.present) return "  weights   none here\n";
  std::string out =
      fmt::format("  weights   {} tensors, {} bytes of data in {} file{} of {} bytes\n", grouped(f.tensors),
                  grouped(f.tensor_bytes), f.files, f.files == 1 ? "" : "s", grouped(f.file_bytes));
  if (!f.unused.empty())
    out += fmt::format("            {} tensors are not used, the first is {}\n", f.unused.size(), f.unused[0]);
  return out;
}

std::string backends_text() {
  const std::vector<std::string> ops = op_names();
  std::string out = "backends\n";
  for (const Backend* b : linked_backends()) {
    const std::string why = absence(*b);
    out += fmt::format("  {:<20} {} of {} ops{}{}\n", b->name, ops_of(*b).size(), ops.size(),
                       b->emulated ? ", emulated" : "", why.empty() ? "" : "; absent here: " + why);
  }
  out += "ops, and the backends that have them\n";
  for (const std::string& op : ops) out += fmt::format("  {:<20} {}\n", op, fmt::join(backends_with(op), ", "));
  return out;
}

/// Memory for sequences of a length, bf16; activations come on top, pass by pass.
struct MemoryPlan {
  int64_t weights = 0, cache = 0;
};

MemoryPlan plan_memory(const Flags& f, const ModelConfig& config, const ModelSummary& summary) {
  if (f.context > config.text.max_position_embeddings)
    usage_error("--context ", f.context, ": the model has ", config.text.max_position_embeddings,
                " positions (max_position_embeddings)");
  SessionOptions options;
  options.activation = DType::bf16;
  options.max_tokens = f.context;
  options.sequences = f.sequences;
  return {summary.bytes_as_published, static_cast<int64_t>(BatchSession::cache_bytes(config, options))};
}

std::string plan_text(const Flags& f, const ModelConfig& config, const ModelSummary& summary) {
  if (f.context == 0) return "";
  const MemoryPlan plan = plan_memory(f, config, summary);
  const auto line = [](const char* what, int64_t bytes) {
    return fmt::format("  {:<18}{:>18}  ({})\n", what, grouped(bytes), bytes_text(bytes));
  };
  return fmt::format("memory for {} sequence{} of {} tokens, bf16, before activations\n", f.sequences,
                     f.sequences == 1 ? "" : "s", grouped(f.context)) +
         line("weights", plan.weights) + line("KV cache", plan.cache) + line("together", plan.weights + plan.cache);
}

Json as_json(const std::string& dir, const ModelConfig& c, const ModelSummary& s, const Files& f) {
  Json out = result_header("info");
  out["model"] = dir;
  out["architecture"] = c.architecture;
  out["model_type"] = c.model_type;
  out["rope_layout"] = c.rope_layout;
  out["layers"] = c.text.num_layers;
  out["parameters"] = s.parameters;
  out["text_parameters"] = s.text_parameters;
  out["vision_parameters"] = s.vision_parameters;
  out["active_parameters"] = s.active_parameters;
  out["active_parameters_with_head"] = s.active_parameters_with_head;
  out["tensors"] = s.tensors;
  out["published_bytes"] = s.bytes_as_published;
  out["kv_cache_bytes_per_token"] = 2 * s.kv_values_per_token;
  out["decoder_flops_per_token"] = s.decoder_flops_per_token;
  out["attention_flops_per_key"] = s.attention_flops_per_key;
  out["head_flops_per_row"] = s.head_flops_per_row;
  out["vision_flops_per_patch"] = s.vision_flops_per_patch;
  for (const ComponentCount& part : s.components) {
    out["components"][name_of(part.component)] = {{"tensors", part.tensors}, {"parameters", part.parameters}};
  }
  if (f.present) {
    out["weights"] = {{"files", f.files},
                      {"tensors", f.tensors},
                      {"file_bytes", f.file_bytes},
                      {"tensor_bytes", f.tensor_bytes},
                      {"unused", f.unused}};
  }
  for (const Backend* b : linked_backends()) {
    out["backends"].push_back(
        {{"name", b->name}, {"ops", ops_of(*b).size()}, {"of_ops", op_names().size()}, {"emulated", b->emulated}});
    out["backends"].back()["absence"] = absence(*b);
  }
  for (const std::string& op : op_names()) out["op_backends"][op] = backends_with(op);
  return out;
}

int run(const Flags& f) {
  check_output(f.output, Output::text);
  const std::string dir = fs::is_regular_file(f.model) ? f.model : resolve_model(f.model);
  const ModelConfig config = read_config(dir);
  const ModelSummary summary = summarise(config);
  const Files files = look_at_weights(dir, config);
  const std::string folder = fs::is_directory(dir) ? dir : fs::path(dir).parent_path().string();
  const std::optional<PublishedSampling> sampling = read_published_sampling(folder);
  check_keeps_inputs(f.output);
  const std::string plan = plan_text(f, config, summary);
  if (f.json) {
    Json out = as_json(dir, config, summary, files);
    if (sampling) out["generation_config"] = sampling_json(*sampling);
    out["eos_token_ids"] = config.eos_token_ids;
    if (f.context > 0) {
      const MemoryPlan memory = plan_memory(f, config, summary);
      out["memory"] = {{"context", f.context},
                       {"sequences", f.sequences},
                       {"weights_bytes", memory.weights},
                       {"kv_cache_bytes", memory.cache},
                       {"total_bytes", memory.weights + memory.cache}};
    }
    write_json(out, f.output);
    return 0;
  }
  const std::string head =
      fmt::format("{}\n  {} ({}){}\n", dir, config.architecture, config.model_type,
                  config.quantization.method.empty() ? "" : ", quantised: " + config.quantization.method);
  write_result(head + heads_text(config) + sampling_text(sampling) + files_text(files) + "parameters and costs\n" +
                   costs_text(summary) + plan + backends_text(),
               f.output);
  return 0;
}

}  // namespace

void add_info(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("info", "What a model is: shape, parameters, bytes, cache, arithmetic; backends");
  add_model(*verb, flags->model);
  verb->add_option("--context", flags->context, "plan memory for sequences of this many tokens")
      ->check(CLI::Range(1, 1 << 24));
  verb->add_option("--sequences", flags->sequences, "at once, with --context")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  verb->add_flag("--json", flags->json, "print JSON (glmv.info/1)");
  verb->add_option("-o,--output", flags->output, "write the result to a file")->check(not_empty());
  verb->footer(kExamples);
  verb->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace glmv::cli
