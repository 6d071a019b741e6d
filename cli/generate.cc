// generate: answers a question about pictures.
#include "cli/generate.h"

#include <fmt/format.h>

#include <filesystem>
#include <iostream>

#include "cli/progress.h"
#include "cli/signals.h"
#include "cli/verbs.h"
#include "data/draw.h"

namespace glmv::cli {
namespace {

using Flags = GenerateFlags;

constexpr const char* kExamples = R"(Examples:
  glmv generate --image data/tiny/glm45v/heldout/objects-000-0.png --prompt "How many circles are there?"
      reasons, then answers; the text streams to stdout
  glmv generate --image data/tiny/glm45v/heldout/number-000-0.png --prompt "What number is shown?" --no-think --json
      token ids, text, answer, boxes and timings as JSON (glmv.generate/1)
  glmv generate --image a.png --image b.png --prompt "Which picture has more objects?" --dtype bf16 --threads 1
      two pictures, rounding where the Hugging Face model rounds
  glmv generate --prompts questions.jsonl --batch 8 --no-think -o answers.jsonl
      a file of prompts, eight at once; a line is {"id": "q1", "messages": [...]} or {"prompt": "..."}, and each answer
      is a line of JSON that is on the disk before the next one
  glmv generate --image data/tiny/glm45v/heldout/objects-000-0.png --prompt "Locate the green circle." --no-think --draw boxes.png
      the picture with the boxes of the answer on it
  glmv generate --prompt "Tell a story." --temperature 0.8 --top-p 0.6 --top-k 2 --seed 7 --stop "The end"
      tokens are drawn: scores as the Hugging Face library's processors leave them, one uniform number a token
  glmv generate --random-weights --model config.json --layers 4 --prompt-tokens 512 -n 64 --dtype bf16 --warm-up --json
      times four layers of a configuration's shapes; needs no checkpoint and no tokenizer)";

}  // namespace

SessionOptions GenerateFlags::session() const {
  SessionOptions options;
  options.activation = run.activation();
  options.chunk = chunk;
  options.page_size = page_size;
  return options;
}

namespace {

Json as_json(const Flags& f, const Prompt& prompt, const Generation& g, const GenerationSettings& settings,
             const Timings& t, const Tokenizer* tokenizer) {
  Json out = result_header("generate");
  out["backend"] = f.run.backend;
  out["dtype"] = f.run.dtype;
  out["image_backend"] = prompt.image_backend;
  put_answer(out, prompt, g, settings, tokenizer, f.prompt.no_think);
  out["timings"] = timings_json(t);
  return out;
}

const char* ending(const Generation& g) {
  return !g.stop_string.empty()        ? "ended before a stop string"
         : g.finish_reason == "stop"   ? "ended by itself"
         : g.finish_reason == "length" ? "cut at the limit of new tokens"
                                       : "interrupted";
}

void say_timings(const Prompt& p, const Generation& g, const Timings& t) {
  const auto seconds = [](int64_t ns) { return static_cast<double>(ns) * 1e-9; };
  std::cerr << fmt::format("[{} prompt tokens, {} new, {}; vision {:.3f} s, prefill {:.3f} s, decode {:.3f} s]\n",
                           p.ids.size(), g.ids.size(), ending(g), seconds(t.vision_ns), seconds(t.prefill_ns),
                           seconds(t.decode_ns));
}

/// The answer as text, or ids where there is no tokenizer.
std::string as_text(const Generation& g, const Tokenizer* tokenizer) {
  std::string text = g.text;
  if (!tokenizer)
    for (const int64_t id : g.ids) text += std::to_string(id) + ' ';
  return text + '\n';
}

/// --draw: the boxes of the answer on the picture that it was about.
class Drawing {
 public:
  explicit Drawing(const Flags& f) : path_(f.draw) {
    if (path_.empty()) return;
    const Conversation asked = f.prompt.conversation();
    if (asked.images.size() != 1 || !asked.videos.empty())
      usage_error("--draw: boxes belong to a picture, and the prompt has ", asked.images.size(), " pictures and ",
                  asked.videos.size(), " clips; one picture is wanted");
    check_output(path_, Output::picture, "--draw");
    picture_ = read_image(asked.images[0]);
    check_keeps_inputs(path_);
  }
  void save(const std::string& answer) {
    if (path_.empty()) return;
    std::vector<std::array<double, 4>> boxes;
    for (const auto& box : parse_boxes(answer)) boxes.push_back(box_to_pixels(box, picture_.width, picture_.height));
    if (boxes.empty()) std::cerr << "glmv: warning: the answer has no box; " << path_ << " is the picture as it is\n";
    draw_boxes(picture_, boxes);
    write_png(path_, picture_);
  }

 private:
  std::string path_;
  Image picture_;
};

int run_one(const Flags& f) {
  check_output(f.output, Output::text);
  if (!f.draw.empty() && f.draw == f.output) usage_error("--draw and -o name one file: ", f.draw);
  const Backend& backend = f.run.use();
  const Model model = Model::open(f.model);
  const bool recorded = !f.prompt.inputs.empty();
  const bool has_tokenizer = !recorded || std::filesystem::exists(model.dir + "/tokenizer.json");
  const Tokenizer tokenizer = has_tokenizer ? Tokenizer::open(model.dir) : Tokenizer();
  const Prompt prompt = f.prompt.load(model.dir, model.config);
  check_keeps_inputs(f.output);
  Drawing drawing(f);
  GenerationSettings settings = f.settings;
  settings.max_new_tokens = tokens_with_room(settings.max_new_tokens, "--max-new-tokens", prompt, model.config);
  const Tokenizer* spelling = has_tokenizer ? &tokenizer : nullptr;
  GenerateOptions how;
  how.ignore_eos = f.ignore_eos;
  how.tokenizer = spelling;
  if (settings.thinking_budget && has_tokenizer)
    how.think = think_tokens(tokenizer, f.prompt.processor(model.dir).chat_template);
  SessionOptions options = f.session();
  options.max_tokens = static_cast<int64_t>(prompt.ids.size()) + settings.max_new_tokens;
  const DeviceWeights::Shared weights = DeviceWeights::upload(model.weights, backend);
  if (f.warm_up) {
    Session session(model, weights, options);
    generate(session, prompt, model.config, settings, how);
  }
  Progress progress(f.quiet || f.json);
  const bool to_stdout = is_stdout(f.output), streaming = !f.json && to_stdout && has_tokenizer;
  int64_t made = 0;
  how.on_text = [&](const std::string& text) {
    if (streaming) std::cout << text << std::flush;
  };
  how.on_token = [&](int64_t) {
    if (made++ == 0) stop_on_signals();  // before, there is nothing to print, and a signal ends the program at once
    if (to_stdout && (stdout_is_gone() || !std::cout)) {
      input_error("stdout: cannot be written any more, after ", made, " tokens");
    }
    if (!streaming) progress.say(fmt::format("{} tokens", made));
    return stop_signal() == 0;
  };
  Session session(model, weights, options);
  const Generation g = generate(session, prompt, model.config, settings, how);
  progress.clear();
  if (streaming) {
    std::cout << std::endl;
    if (!std::cout) input_error("stdout: cannot write the answer");
  } else if (!to_stdout && stop_signal() != 0) {
    std::cerr << "glmv: interrupted, " << f.output << " is not written\n";  // a part would look like the whole
  } else if (f.json) {
    write_json(as_json(f, prompt, g, settings, session.timings(), spelling), f.output);
  } else {
    write_result(as_text(g, spelling), f.output);
  }
  if (stop_signal() == 0) drawing.save(box_text(parse_answer(g.text, f.prompt.no_think)));
  if (!f.quiet && !f.json) say_timings(prompt, g, session.timings());
  return stop_signal() == 0 ? 0 : 128 + stop_signal();
}

int run(const Flags& f) {
  check(f.settings, "--");
  if (!f.draw.empty() && (f.random_weights || !f.prompts.empty() || !f.prompt.inputs.empty()))
    usage_error("--draw is for one question about one picture");
  if (f.random_weights) return run_random(f);
  if (!f.prompts.empty()) return run_prompts(f);
  if (f.settings.logprobs >= 0 && !f.json) usage_error("--logprobs goes into JSON: add --json");
  if (f.batch > 1) usage_error("--batch is for --prompts and --random-weights; one prompt is one sequence");
  if (f.layers > 0) usage_error("--layers is for --random-weights; a checkpoint has the layers it has");
  return run_one(f);
}

void add_random(CLI::App& verb, Flags& f) {
  verb.add_flag("--random-weights", f.random_weights,
                "time random weights of the configuration's shapes (--model may be a config.json), text only");
  verb.add_option("--layers", f.layers, "with --random-weights: decoder layers; 0 = all")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  verb.add_option("--prompt-tokens", f.prompt_tokens, "with --random-weights: tokens of each prompt")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
}

}  // namespace

void add_generate(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("generate", "Answer a question about pictures and clips");
  add_model(*verb, flags->model);
  flags->prompt.add(*verb, true);
  flags->run.add(*verb);
  verb->add_option("--prompts", flags->prompts, "a file of prompts (JSON lines) instead of one; prints JSON lines");
  verb->add_option("--batch", flags->batch, "sequences at once, with --prompts or --random-weights")
      ->check(CLI::Range(1, 1 << 16))
      ->capture_default_str();
  add_random(*verb, *flags);
  add_settings(*verb, flags->settings);
  verb->add_flag(
      "--as-configured", flags->as_configured,
      "sample as the snapshot's generation_config.json says and the library's generate() does; flags outrank "
      "it. Without this glmv is greedy whatever the file says, which ids end an answer excepted");
  verb->add_flag("--ignore-eos", flags->ignore_eos, "go on after an end-of-sequence token (for timing)");
  verb->add_option("--chunk", flags->chunk, "prompt tokens per forward pass; 0 = all")->check(CLI::Range(0, 1 << 20));
  verb->add_option("--page-size", flags->page_size, "tokens per page of the KV cache; 0 = one page")
      ->check(CLI::Range(0, 1 << 20));
  verb->add_flag("--warm-up", flags->warm_up, "run once untimed before (for timing)");
  verb->add_flag("--json", flags->json, "print JSON (glmv.generate/1) instead of streaming");
  verb->add_flag("-q,--quiet", flags->quiet, "no timings, no progress");
  verb->add_option("--draw", flags->draw, "write the picture with the answer's boxes on it (PNG)");
  verb->add_option("-o,--output", flags->output, "write the answer to a file; - is stdout");
  verb->footer(kExamples);
  verb->callback([flags, verb, &exit_code] {
    follow_generation_config(*verb, *flags);
    exit_code = run(*flags);
  });
}

}  // namespace glmv::cli
