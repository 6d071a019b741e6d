// model_bench: tokens per second of a whole model beside what the machine allows, and where the time goes.
#include <CLI/CLI.hpp>
#include <iostream>

#include "bench/model_bench.h"
#include "bench/peaks.h"
#include "data/file.h"
#include "reference/backends.h"
#include "reference/core/parallel.h"

namespace {

using namespace glmv;

struct Flags {
  std::string model = GLMV_DEFAULT_MODEL, backend = "cpu", output;
  bench::ModelBenchOptions options;
  int64_t layers = 0;
  int threads = 0;
  bool random_weights = false, json = false;
};

constexpr const char* kExamples = R"(Examples:
  model_bench
      the embedded tiny model
  model_bench -m zai-org/GLM-4.5V --random-weights --layers 4 --prompt 1024 --generate 32
      four layers at full width without a checkpoint, only its config.json)";

int run(const Flags& f) {
  if (f.threads > 0) set_thread_count(f.threads);
  const Backend backend = bench::with_timed_ops(find_backend(f.backend));
  const Model model = f.random_weights ? Model::without_weights(f.model, f.layers) : Model::open(f.model);
  if (!f.random_weights && f.layers > 0) usage_error("--layers: only with --random-weights; a model runs as a whole");
  const int64_t positions = model.config.text.max_position_embeddings;
  if (f.options.prompt + f.options.generated > positions)
    usage_error("--prompt and --generate are more than the ", positions, " positions of the model");
  const DeviceWeights::Shared weights =
      f.random_weights ? DeviceWeights::random(model.config, backend) : DeviceWeights::upload(model.weights, backend);
  const bench::ModelBenchResult result =
      bench::run_model_bench(model, weights, bench::measure_peaks(find_backend(f.backend)), f.options);
  const std::string json = bench::model_bench_json(result, model.config, f.backend, f.options);
  std::cout << (f.json ? json : bench::model_bench_text(result)) << std::flush;
  if (!std::cout) input_error("stdout: cannot write the result");
  if (f.output.empty()) return 0;
  OutputFile file(f.output, Devices::written);
  file.write(json.data(), json.size());
  file.commit();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Flags f;
  CLI::App app{"model_bench: tokens per second of a whole model, beside the least time the machine allows"};
  app.add_option("-m,--model", f.model, "snapshot directory, org/name in the local cache, or a config.json")
      ->capture_default_str();
  app.add_flag("--random-weights", f.random_weights, "the configuration's shapes with procedural weights");
  app.add_option("--layers", f.layers, "decoder layers of random weights; 0 = all")->check(CLI::Range(0, 1000));
  app.add_option("--backend", f.backend, "what runs it; glmv info lists them")->capture_default_str();
  std::map<std::string, DType> types = {{"f32", DType::f32}, {"bf16", DType::bf16}};
  app.add_option("--dtype", f.options.activation, "of activations")
      ->transform(CLI::CheckedTransformer(types))
      ->option_text("f32|bf16");
  app.add_option("--prompt", f.options.prompt, "tokens of each prompt")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--generate", f.options.generated, "tokens of each answer")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  app.add_option("--sequences", f.options.sequences, "at once")->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("--repetitions", f.options.repetitions, "of the whole, of which medians are taken")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("-t,--threads", f.threads, "threads of the host")->check(CLI::Range(1, 1024));
  app.add_flag("--json", f.json, "print JSON with llama-bench's keys");
  app.add_option("-o,--output", f.output, "write the JSON to a file");
  app.footer(kExamples);
  try {
    app.parse(argc, argv);
    return run(f);
  } catch (const CLI::ParseError& e) {
    const bool help = e.get_exit_code() == 0;
    app.exit(e, std::cout, std::cerr);
    return help ? 0 : static_cast<int>(ExitCode::usage);
  } catch (const Error& e) {
    std::cerr << "model_bench: " << e.what() << '\n';
    return static_cast<int>(e.code());
  } catch (const std::bad_alloc&) {
    std::cerr << "model_bench: out of memory\n";
    return static_cast<int>(ExitCode::bad_input);
  }
}
