// golden: packs of prompts, points and noise floors by which engines are judged without the weights.
#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "cli/flags.h"
#include "cli/golden_suite.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/recorded.h"
#include "cli/verbs.h"
#include "crosscheck/golden_pack.h"
#include "data/pattern.h"

namespace glmv::cli {
namespace {
namespace fs = std::filesystem;

struct MakeFlags {
  std::string model, output, suite, points;
  PromptFlags prompt;
  int64_t steps = 1;
  bool quiet = false;
};

struct VerifyFlags {
  std::string pack, model;
  bool quiet = false, json = false;
};

constexpr const char* kMakeExamples = R"(Examples:
  glmv golden make --suite core -o pack
      six prompts of the tiny twin (text, one picture, two, a tiny one, a huge one, a clip) with every point
  glmv golden make --model zai-org/GLM-4.5V --suite core --points "layers\.\d+$|merger|embeddings|logits" -o pack
      the outputs of layers only: a pack that can be published
  glmv golden make --prompt "What is this?" --image a.png -o pack
      a pack of one prompt)";

constexpr const char* kVerifyExamples = R"(Examples:
  glmv golden verify pack
      all hashes; a flipped byte is exit code 3, with the file and the point named
  glmv golden verify pack --model data/tiny/glm45v
      runs the model again, too: another number is exit code 1)";

/// The prompt of the flags as a suite of one, its media copied into the pack.
std::vector<SuitePrompt> asked_for(const PromptFlags& flags, const std::string& folder) {
  if (flags.prompt.empty()) usage_error("golden make: --suite core or --prompt is missing");
  SuitePrompt p{"prompt", "as asked", flags.prompt, {}, {}, {}};
  for (const std::string& path : flags.images) {
    const std::string file = concat("media/", p.images.size(), "-", fs::path(path).filename().string());
    fs::create_directories(fs::path(folder) / "media");
    fs::copy_file(path, fs::path(folder) / file, fs::copy_options::overwrite_existing);
    p.images.push_back(file);
  }
  if (!flags.videos.empty())
    usage_error("golden make: --video: the suite has a clip; a pack of one prompt takes pictures");
  return {p};
}

Prompt prompt_of(const SuitePrompt& p, PromptFlags flags, const std::string& folder, const std::string& model) {
  flags.prompt = p.text;
  flags.images.clear(), flags.videos.clear();
  for (const std::string& file : p.images) flags.images.push_back((fs::path(folder) / file).string());
  for (const std::string& file : p.videos) flags.videos.push_back((fs::path(folder) / file).string());
  if (p.max_pixels) flags.max_pixels = p.max_pixels;
  return flags.make(flags.processor(model));
}

int make(const MakeFlags& f) {
  check_output(f.output, Output::folder);
  if (!fs::is_empty(f.output)) usage_error("-o ", f.output, ": the folder is not empty; a pack has one to itself");
  const Pattern wanted = Pattern::compile(f.points, "--points");
  const Model model = Model::open(f.model);
  const std::vector<SuitePrompt> suite = f.suite.empty() ? asked_for(f.prompt, f.output) : core_suite(f.output);
  const DeviceWeights::Shared weights = DeviceWeights::upload(model.weights, cpu_backend());
  Progress progress(f.quiet);
  std::vector<GoldenEntry> entries;
  std::string image_backend;
  for (const SuitePrompt& p : suite) {
    Prompt prompt = prompt_of(p, f.prompt, f.output, model.dir);
    if (!prompt.image_backend.empty()) image_backend = prompt.image_backend;
    const int64_t steps = f.steps == 0 ? 0 : tokens_with_room(f.steps, "--steps", prompt, model.config);
    GoldenEntry entry;
    entry.prompt.id = p.id, entry.prompt.what = p.what, entry.prompt.text = p.text;
    entry.prompt.images = p.images, entry.prompt.videos = p.videos;
    entry.script = greedy_script(model, weights, std::move(prompt), DType::f32, steps);
    entries.push_back(std::move(entry));
  }
  GoldenOptions options;
  options.progress = [&](const std::string& what) { progress.say(what); };
  if (!f.points.empty()) options.wants = [&](std::string_view point) { return wanted.found_in(point); };
  write_pack(model, entries, image_backend, f.output, options);
  progress.clear();
  const GoldenPack pack = GoldenPack::open(f.output);
  for (const GoldenPrompt& p : pack.prompts)
    std::cerr << fmt::format("{:<12} {:>6} tokens, {} steps, {} points: {}\n", p.id, p.tokens, p.steps, p.points,
                             p.what);
  return 0;
}

int verify(const VerifyFlags& f) {
  const GoldenPack pack = GoldenPack::open(f.pack);
  std::optional<Model> model;
  if (!f.model.empty()) model = Model::open(f.model);
  Progress progress(f.quiet);
  GoldenOptions options;
  options.progress = [&](const std::string& what) { progress.say(what); };
  const std::vector<GoldenFault> faults = verify_pack(pack, model ? &*model : nullptr, options);
  progress.clear();
  std::string text;
  bool corrupt = false;
  for (const GoldenFault& fault : faults) {
    text += concat(fault.file, fault.point.empty() ? "" : ": ", fault.point, ": ", fault.what, '\n');
    corrupt = corrupt || fault.corrupt;
  }
  if (faults.empty())
    text = fmt::format("{}: {} prompts, {} files as the manifest says{}\n", pack.name, pack.prompts.size(),
                       pack.hashes.size(), model ? ", and points and noise as the model makes them" : "");
  write_result(text, "");
  if (faults.empty()) return 0;
  return static_cast<int>(corrupt ? ExitCode::bad_input : ExitCode::differs);
}

void add_make(CLI::App& golden, int& exit_code) {
  auto flags = std::make_shared<MakeFlags>();
  CLI::App* verb = golden.add_subcommand("make", "Run prompts, and write their points with the noise of correct runs");
  add_model(*verb, flags->model);
  verb->add_option("--suite", flags->suite, "the prompts to take: core")->check(CLI::IsMember({"core"}));
  flags->prompt.add(*verb, false);
  verb->add_option(
      "--points", flags->points,
      "keep only points whose name matches this regular expression; choices of experts and their scores are "
      "always kept");
  verb->add_option("--steps", flags->steps, "greedy decode steps after each prompt")
      ->check(CLI::Range(0, 1 << 10))
      ->capture_default_str();
  verb->add_flag("-q,--quiet", flags->quiet, "no progress");
  verb->add_option("-o,--output", flags->output, "the folder to write")->required()->check(not_empty());
  verb->footer(kMakeExamples);
  verb->callback([flags, &exit_code] { exit_code = make(*flags); });
}

void add_verify(CLI::App& golden, int& exit_code) {
  auto flags = std::make_shared<VerifyFlags>();
  CLI::App* verb = golden.add_subcommand("verify", "Recompute a pack's hashes and, with --model, its points and noise");
  verb->add_option("pack", flags->pack, "the folder")->required();
  verb->add_option("--model", flags->model, "the model that the pack is of");
  verb->add_flag("-q,--quiet", flags->quiet, "no progress");
  verb->footer(kVerifyExamples);
  verb->callback([flags, &exit_code] { exit_code = verify(*flags); });
}

}  // namespace

void add_golden(CLI::App& app, int& exit_code) {
  CLI::App* golden =
      app.add_subcommand("golden", "Packs of prompts, points and noise floors, to judge without weights");
  golden->require_subcommand(1);
  add_make(*golden, exit_code);
  add_verify(*golden, exit_code);
}

}  // namespace glmv::cli
