// trace: runs a prompt and writes every point on the way into one safetensors file.
#include <fmt/format.h>

#include <algorithm>

#include "cli/flags.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/recorded.h"
#include "cli/verbs.h"
#include "crosscheck/crosscheck.h"
#include "crosscheck/record.h"
#include "crosscheck/stages.h"
#include "data/pattern.h"
#include "data/trace.h"
#include "reference/model/generate.h"

namespace glmv::cli {
namespace {

struct Flags {
  std::string model, output, layers;
  std::vector<std::string> mistakes;
  RunFlags run;
  PromptFlags prompt;
  int64_t steps = 0, chunk = 0, page_size = 0;
  bool quiet = false;
};

constexpr const char* kExamples = R"(Examples:
  glmv trace --image data/tiny/glm45v/heldout/objects-000-0.png --prompt "How many circles are there?" -o mine.safetensors
      every point of the prompt in f32; `glmv crosscheck --against mine.safetensors` judges it
  glmv trace --model tests/golden/moe_a --inputs tests/golden/moe_a/traces/greedy.safetensors --steps 4 -o mine.safetensors
      recorded inputs and four greedy decode steps
  glmv trace --image a.png --prompt "What is this?" --dtype bf16 --layers "layers\.[01]\.|logits" -o mine.safetensors
      two decoder layers and the logits only, in bf16)";

/// Some mistakes make a prompt whose placeholders and pictures do not agree.
void check_can_run(const Prompt& prompt, const ModelConfig& config, const std::vector<const Mistake*>& with) {
  int64_t features = 0;
  const int64_t merge = config.vision.spatial_merge_size;
  for (const std::vector<Grid>* grids : {&prompt.image_grids, &prompt.video_grids}) {
    for (const Grid& g : *grids) features += g[0] * (g[1] / merge) * (g[2] / merge);
  }
  const auto placeholders =
      static_cast<int64_t>(prompt.types.size()) - std::count(prompt.types.begin(), prompt.types.end(), int64_t{0});
  if (placeholders == features) return;
  usage_error("--mistake ", with[0]->name, ": it leads to ", placeholders, " placeholders for ", features,
              " features of pictures and clips, on which no model can be run");
}

/// The prompt as a program with these mistakes makes it of the flags; recorded inputs are past stages 1 and 2.
Prompt inputs(const Flags& f, const Model& model, const std::vector<const Mistake*>& with) {
  if (f.prompt.inputs.empty() && !with.empty()) {
    Prompt prompt = make_prompt(f.prompt.request(f.prompt.processor(model.dir)), with);
    check_can_run(prompt, model.config, with);
    return prompt;
  }
  Prompt prompt = f.prompt.load(model.dir, model.config);
  for (const Mistake* m : with) {
    if (m->request || m->processed)
      usage_error("--mistake ", m->name, ": it spoils how a prompt is made, and --inputs holds one that is made");
    if (m->positions) m->positions(prompt, model.config);
  }
  return prompt;
}

int run(const Flags& f) {
  check_output(f.output, Output::tensors);
  const Pattern wanted = Pattern::compile(f.layers, "--layers");
  const Backend& named = f.run.use();
  if (!f.mistakes.empty() && named.space != Space::host)
    usage_error("--mistake ", f.mistakes[0], " --backend ", named.name,
                ": mistakes are built into the cpu reference only");
  std::vector<const Mistake*> built_in;
  for (const std::string& name : f.mistakes) built_in.push_back(&find_mistake(name));
  const Model true_model = Model::open(f.model);
  const OurSide side(true_model, built_in);
  const Model& model = side.mutant.model;
  const Backend& backend = built_in.empty() ? named : side.mutant.backend;
  Prompt prompt = inputs(f, true_model, built_in);
  const std::string image_backend = prompt.image_backend;
  check_keeps_inputs(f.output);
  const int64_t steps = f.steps == 0 ? 0 : tokens_with_room(f.steps, "--steps", prompt, model.config);
  const DeviceWeights::Shared weights = DeviceWeights::upload(model.weights, backend);
  const Script script = greedy_script(model, weights, std::move(prompt), f.run.activation(), steps);

  Progress progress(f.quiet);
  RecordOptions options;
  options.activation = f.run.activation();
  options.chunk = f.chunk;
  options.page_size = f.page_size;
  options.wants = [&](std::string_view name) {
    // Inputs are always kept: without them nobody can run the trace again.
    return stage_of(name) <= 3 || f.layers.empty() || wanted.found_in(name);
  };
  options.on_pass = [&](int64_t pass) {
    progress.say(fmt::format("pass {} of {}", pass + 1, script.tokens.size() + 1));
  };
  const Recording recording = record(model, weights, script, options);
  progress.clear();

  TraceWriter trace;
  for (const auto& [name, value] : recording.points()) trace.add(name, value);
  trace.metadata() = {{"producer", "glmv"},
                      {"version", GLMV_VERSION},
                      {"dtype", f.run.dtype},
                      {"image_backend", image_backend},
                      {"backend", std::string(backend.name)},
                      {"steps", std::to_string(script.tokens.size())},
                      {"model_sha256", model.checkpoint.sha256()}};
  for (const std::string& name : f.mistakes) {
    std::string& all = trace.metadata()["mistake"];
    all += (all.empty() ? "" : " + ") + name;
  }
  trace.write(f.output);
  if (!f.quiet) std::cerr << fmt::format("{}: {} points\n", f.output, recording.points().size());
  return 0;
}

}  // namespace

void add_trace(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("trace", "Run a prompt and record every point into a safetensors file");
  add_model(*verb, flags->model);
  flags->prompt.add(*verb, true);
  flags->run.add(*verb);
  verb->add_option("--layers", flags->layers,
                   "keep only points whose name matches this regular expression (inputs are always kept)");
  verb->add_option("--steps", flags->steps, "greedy decode steps after the prompt")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  verb->add_option("--chunk", flags->chunk, "prompt tokens per forward pass; 0 = all")->check(CLI::Range(0, 1 << 20));
  verb->add_option("--page-size", flags->page_size, "tokens per page of the KV cache; 0 = one page")
      ->check(CLI::Range(0, 1 << 20));
  verb->add_option("--mistake", flags->mistakes,
                   "build a known mistake in (glmv crosscheck --list-mistakes); may be repeated");
  verb->add_flag("-q,--quiet", flags->quiet, "no progress");
  verb->add_option("-o,--output", flags->output, "the trace to write")->required()->check(not_empty());
  verb->footer(kExamples);
  verb->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace glmv::cli
