// crosscheck: the first place where another program departs from the truth.
#include "crosscheck/crosscheck.h"

#include "cli/crosscheck_endpoint.h"
#include "cli/flags.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/recorded.h"
#include "cli/verbs.h"
#include "crosscheck/golden_pack.h"
#include "crosscheck/name_maps.h"
#include "crosscheck/report.h"
#include "crosscheck/stages.h"
#include "reference/backends.h"

namespace glmv::cli {
namespace {

struct Flags {
  std::string model, against, against_backend, inputs, mistake, output, only, golden, html, jsonl, junit;
  std::vector<std::string> maps, assumed;
  RunFlags run;
  PromptFlags prompt;
  EndpointCheckFlags endpoint;
  bool json = false, verbose = false, quiet = false, exit_zero = false, list = false, no_explain = false, fused = false,
       isolate = false;
  int64_t page_size = 0, steps = 0;
};

constexpr const char* kExamples = R"(Examples:
  glmv crosscheck --model tests/golden/moe_a --against tests/golden/moe_a/traces/two_images.safetensors
      every point of a Hugging Face trace against the f64 gold run; exit code 0 if all of it is noise
  glmv crosscheck --model tests/golden/moe_a --against tests/golden/moe_a/traces/two_images.safetensors \
      --mistake rope=even_odd
      the same with a known mistake built into our side, to see what such a departure looks like
  glmv crosscheck --model tests/golden/moe_a --against engine.safetensors --assume rope=even_odd
      what departs besides the mistake that was found first
  glmv crosscheck --model tests/golden/dense_b --against tests/golden/dense_b/traces/greedy.bf16.safetensors --verbose
      every point with its distance, the noise and what is allowed, in bf16
  glmv crosscheck --model data/tiny/glm45v --against tests/crosscheck_peers/mlx.npz --map mlx
      another engine's dump, whose names and layouts are translated)";

/// What another program wrote, with the inputs that it lacks from a file or from our own preprocessing.
Theirs foreign_side(const Flags& f, const Model& model, const NameRules& names, const Prompt* preprocessed) {
  Theirs theirs = theirs_from(read_foreign(f.against), names, &model.config);
  if (!f.inputs.empty()) add_inputs(theirs, theirs_from(read_foreign(f.inputs), {}, &model.config));
  if (preprocessed != nullptr) {
    Theirs ours;
    ours.label = "our own preprocessing";
    for (const auto& [name, value] : prompt_tensors(*preprocessed)) {
      ours.points[name] = value.view;
      ours.converted.push_back(value);
    }
    add_inputs(theirs, ours);
  }
  return theirs;
}

/// " with fused_add_rmsnorm": those that this backend has.
std::string fused_ops_of(const Backend& backend) {
  std::string names;
  if (backend.ops.fused_rope_kv_write) names += " with fused_rope_kv_write";
  if (backend.ops.fused_add_rmsnorm) names += concat(names.empty() ? " with " : ", ", "fused_add_rmsnorm");
  return names;
}

/// The trace, or what a backend makes of the same inputs: those of a trace, or a prompt's.
Theirs judged_side(const Flags& f, const Model& model, const NameRules& names, const Prompt* preprocessed,
                   Progress& progress) {
  if (f.against_backend.empty()) return foreign_side(f, model, names, preprocessed);
  const Backend& backend = find_backend(f.against_backend);
  if (f.fused && !backend.ops.fused_rope_kv_write && !backend.ops.fused_add_rmsnorm)
    usage_error("--fused --against-backend ", f.against_backend, ": this backend has no fused ops");
  DType activation = f.run.dtype.empty() ? DType::f32 : f.run.activation();
  progress.say("recording on backend " + f.against_backend);
  const DeviceWeights::Shared weights = DeviceWeights::upload(model.weights, backend);
  const bool from_trace = !f.against.empty();
  Script script;
  if (from_trace) {
    const Theirs trace = foreign_side(f, model, names, nullptr);
    if (f.run.dtype.empty()) activation = dtype_of_trace(trace);
    script = script_of(model, trace);
    script.forced.clear();  // the backend chooses for itself
  } else {
    Prompt prompt = f.prompt.load(model.dir, model.config);
    const int64_t steps = f.steps == 0 ? 0 : tokens_with_room(f.steps, "--steps", prompt, model.config);
    script = greedy_script(model, weights, std::move(prompt), activation, steps);
  }
  RecordOptions how;
  how.activation = activation;
  how.page_size = f.page_size;
  how.fused = f.fused;
  Theirs theirs = theirs_from(record(model, weights, script, how),
                              concat("backend ", backend.name, f.fused ? fused_ops_of(backend) : "",
                                     from_trace ? " on the inputs of " + f.against : ""));
  theirs.metadata["dtype"] = name_of(activation);
  return theirs;
}

Json catalogue_json() {
  Json out = Json::array();
  for (const Mistake& m : mistakes()) {
    out.push_back({{"name", m.name},
                   {"stage", m.stage},
                   {"stage_name", stage_name(m.stage)},
                   {"point", m.point},
                   {"description", m.description},
                   {"reference", m.reference},
                   {"source", m.source},
                   {"subtle", m.subtle},
                   {"reshapes", m.reshapes},
                   {"resamples", m.resamples}});
  }
  return out;
}

void check_flags(const Flags& f) {
  if (f.against.empty() && f.against_backend.empty()) {
    usage_error(
        "--against TRACE is missing (glmv trace and make_golden.py write such files), or --against-backend NAME, or "
        "--endpoint URL");
  }
  if (!f.against.empty() && !f.against_backend.empty() && f.prompt.given()) {
    usage_error("--against-backend ", f.against_backend, " runs on the inputs of ", f.against,
                ": leave out --against, or --prompt, --messages, --system, --image and --video");
  }
  if (!f.inputs.empty() && f.against.empty())
    usage_error("--inputs ", f.inputs, ": completes what --against names; it is missing");
  if (!f.maps.empty() && f.against.empty())
    usage_error("--map ", f.maps[0], ": rewrites names of a trace; none is given");
  if (f.fused && f.against_backend.empty())
    usage_error("--fused: goes with --against-backend; a trace was made with the ops its engine has");
  if (f.steps > 0 && (f.against_backend.empty() || !f.against.empty()))
    usage_error("--steps ", f.steps, ": goes with --against-backend and a prompt; a trace has its own steps");
  if (!f.golden.empty() &&
      (f.isolate || !f.mistake.empty() || !f.assumed.empty() || !f.against_backend.empty() || f.prompt.given()))
    usage_error(
        "--golden ", f.golden,
        ": nothing is run, so leave out --isolate, --mistake, --assume, --against-backend and the flags of a prompt");
  if (f.run.backend != "cpu")
    usage_error("--backend ", f.run.backend, ": the reference judges; --against-backend names a backend to be judged");
}

/// A report must not be written over another one.
void check_outputs_differ(const Flags& f) {
  const std::pair<const char*, const std::string*> outputs[] = {
      {"-o", &f.output}, {"--html", &f.html}, {"--jsonl", &f.jsonl}, {"--junit", &f.junit}};
  for (size_t i = 0; i < std::size(outputs); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const std::string& file = *outputs[i].second;
      if (!file.empty() && file != "-" && file == *outputs[j].second)
        usage_error(outputs[i].first, " \"", file, "\": ", outputs[j].first, " writes that file too");
    }
  }
}

void check_outputs_keep_inputs(const Flags& f) {
  for (const std::string* file : {&f.output, &f.html, &f.jsonl, &f.junit}) check_keeps_inputs(*file);
}

/// Writes the report; the exit code.
int finish(const Flags& f, const CrosscheckReport& report, const Theirs& theirs, const ModelConfig& config) {
  if (!f.html.empty()) write_result(html_report(report, theirs, config), f.html);
  if (!f.jsonl.empty()) write_result(jsonl_report(report), f.jsonl);
  if (!f.junit.empty()) write_result(junit_report(report), f.junit);
  if (f.json) {
    Json out = result_header("crosscheck");
    out.update(Json::parse(json_report(report)));
    write_json(out, f.output);
  } else {
    write_result(text_report(report, f.verbose), f.output);
  }
  return static_cast<int>(f.exit_zero ? ExitCode::ok : report.verdict());
}

int by_pack(const Flags& f, CrosscheckOptions options) {
  const GoldenPack pack = GoldenPack::open(f.golden);
  Theirs theirs = theirs_from(read_foreign(f.against), options.names, &pack.model.config);
  if (!f.inputs.empty()) add_inputs(theirs, theirs_from(read_foreign(f.inputs), {}, &pack.model.config));
  options.dtype = f.run.dtype.empty() ? dtype_of_trace(theirs) : f.run.activation();
  if (options.dtype != DType::f32 && options.dtype != DType::bf16)
    usage_error("--dtype ", name_of(options.dtype), ": golden packs hold runs in f32 and bf16");
  check_outputs_keep_inputs(f);
  return finish(f, judge_with_pack(pack, theirs, options), theirs, pack.model.config);
}

int run(const Flags& f) {
  for (const std::string* file : {&f.output, &f.html, &f.jsonl, &f.junit}) check_output(*file, Output::text);
  check_outputs_differ(f);
  if (f.list) {
    if (f.json)
      write_json(catalogue_json(), f.output);
    else
      write_result(catalogue_text(), f.output);
    return 0;
  }
  if (!f.endpoint.endpoint.empty()) {
    f.run.use();
    const int code = check_endpoint(f.endpoint, f.model, f.prompt, f.json, f.output);
    return f.exit_zero ? 0 : code;
  }
  check_flags(f);
  f.run.use();
  Progress progress(f.quiet);
  CrosscheckOptions options;
  options.names = NameRules(f.maps, f.only);
  if (!f.golden.empty()) return by_pack(f, options);
  const Model model = Model::open(f.model);
  std::optional<PromptRequest> request;
  std::optional<Prompt> preprocessed;
  if (f.prompt.given() && f.against_backend.empty()) {
    request = f.prompt.request(f.prompt.processor(model.dir));
    preprocessed = make_prompt(*request);
    options.request = &*request;
  }
  const Theirs theirs = judged_side(f, model, options.names, preprocessed ? &*preprocessed : nullptr, progress);
  options.dtype = f.run.dtype.empty() ? dtype_of_trace(theirs) : f.run.activation();
  options.mistake = f.mistake.empty() ? nullptr : &find_mistake(f.mistake);
  for (const std::string& name : f.assumed) options.assumed.push_back(&find_mistake(name, "--assume"));
  options.explain = !f.no_explain;
  options.page_size = f.page_size;
  options.isolate = f.isolate;
  options.progress = [&](const std::string& what) { progress.say(what); };
  check_outputs_keep_inputs(f);
  const CrosscheckReport report = crosscheck(model, theirs, options);
  progress.clear();
  return finish(f, report, theirs, model.config);
}

}  // namespace

void add_crosscheck(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      app.add_subcommand("crosscheck", "Compare a trace with the reference, stage by stage; names the first departure");
  add_model(*verb, flags->model);
  verb->add_option("--against", flags->against,
                   "what to judge: a trace, or a file or folder of tensors that another program dumped")
      ->check(not_empty());
  verb->add_option("--inputs", flags->inputs, "a file with the inputs (input_ids, pixel_values ...) that it lacks")
      ->check(not_empty());
  verb->add_option("--against-backend", flags->against_backend,
                   "judge a backend of ours instead, on a prompt or on the inputs of the trace")
      ->check(not_empty());
  verb->add_flag("--fused", flags->fused,
                 "with --against-backend: run its fused ops, and judge the points that both paths have");
  verb->add_option("--steps", flags->steps, "with --against-backend and a prompt: greedy decode steps after it")
      ->check(CLI::Range(0, 1 << 20));
  verb->add_option(
      "--map", flags->maps,
      concat("rewrites names of the trace: PATTERN=REPLACEMENT, or one of ", name_map_names(), "; may be repeated"));
  verb->add_option("--only", flags->only, "judge only points whose name matches this regular expression");
  verb->add_option("--mistake", flags->mistake, "build a known mistake into our side, to see what it looks like")
      ->check(not_empty());
  verb->add_option("--assume", flags->assumed, "take a known mistake for granted and look beneath it; may be repeated");
  verb->add_flag("--list-mistakes", flags->list, "print the catalogue of known mistakes; with --json as an array");
  verb->add_flag("--no-explain", flags->no_explain, "do not try the catalogue on a departure");
  verb->add_flag("--isolate", flags->isolate,
                 "start every layer from the trace's own points too, and say where an error was made");
  CLI::Option* endpoint =
      verb->add_option("--endpoint", flags->endpoint.endpoint,
                       "check what an OpenAI-compatible server reveals of a prompt: http://host:8000/v1")
          ->check(not_empty());
  verb->add_option("--model-name", flags->endpoint.model_name, "with --endpoint: the name that the server knows");
  verb->add_option("--endpoint-timeout", flags->endpoint.timeout_s, "with --endpoint: seconds for one request")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  verb->add_option("--endpoint-tokens", flags->endpoint.tokens, "with --endpoint: tokens of the greedy answer")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  verb->add_option("--api-key-env", flags->endpoint.key_variable,
                   "with --endpoint: the environment variable of its key")
      ->capture_default_str();
  verb->add_option("--golden", flags->golden, "judge by a golden pack instead of running the model (glmv golden make)")
      ->check(not_empty());
  flags->run.dtype.clear();
  flags->run.add(*verb);
  verb->get_option("--dtype")->default_str("the trace's");
  flags->prompt.add(*verb, false);
  verb->add_option("--page-size", flags->page_size, "tokens per page of our KV cache; 0 = one page")
      ->check(CLI::Range(0, 1 << 20));
  verb->add_flag("--json", flags->json, "print JSON (glmv.crosscheck/1)");
  verb->add_flag("-v,--verbose", flags->verbose, "print every point, not only the stages");
  verb->add_flag("-q,--quiet", flags->quiet, "no progress");
  verb->add_flag("--exit-zero", flags->exit_zero, "exit code 0 even if something departs");
  verb->add_option("-o,--output", flags->output, "write the report to a file")->check(not_empty());
  verb->add_option("--html", flags->html, "write a page to look at, too: stages, error by layer, heat map")
      ->check(not_empty());
  verb->add_option("--jsonl", flags->jsonl, "write JSON lines, too: one per point, then a summary")->check(not_empty());
  verb->add_option("--junit", flags->junit, "write JUnit XML, too, for CI systems")->check(not_empty());
  for (const char* other : {"--against", "--against-backend", "--inputs", "--golden", "--map", "--only", "--mistake",
                            "--assume", "--isolate", "--html", "--jsonl", "--junit"})
    endpoint->excludes(verb->get_option(other));  // a server reveals no points
  verb->footer(kExamples);
  verb->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace glmv::cli
