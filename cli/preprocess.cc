// preprocess: stages 0 to 3, from pictures and a question to patches, token ids and positions. No weights needed.
#include <fmt/format.h>

#include <iostream>

#include "cli/flags.h"
#include "cli/output.h"
#include "cli/verbs.h"
#include "data/trace.h"

namespace glmv::cli {
namespace {

struct Flags {
  std::string model, output;
  PromptFlags prompt;
  bool json = false, text = false;
};

constexpr const char* kExamples = R"(Examples:
  glmv preprocess --image data/tiny/glm45v/heldout/objects-000-0.png --prompt "How many circles are there?"
      grids, token count, positions and the prompt as the tokenizer sees it
  glmv preprocess --image a.png --image b.jpg --prompt "Which picture has more objects?" -o inputs.safetensors
      the tensors themselves, under their trace names; `glmv trace --inputs` takes them
  glmv preprocess --video clip.mp4 --fps 4 --prompt "What happens?"
      four frames per second of a video file instead of the two that the model's rule takes
  glmv preprocess --messages chat.json --no-think
      a conversation of several turns: [{"role": "user", "content": [{"type": "image", "path": "a.png"}, ...]}, ...]
  glmv preprocess --messages chat.json --chat-template glm46v --text
      the text that GLM-4.6V's chat template makes of it, nothing else
  glmv preprocess --model zai-org/GLM-4.5V --image a.png --prompt "What is this?" --no-think --json
      for a snapshot in the local Hugging Face cache, as JSON with the token ids)";

Json grids_json(const std::vector<Grid>& grids) {
  Json out = Json::array();
  for (const Grid& g : grids) out.push_back(g);
  return out;
}

Json as_json(const Prompt& p, const Processor& processor) {
  Json out = result_header("preprocess");
  out["image_backend"] = p.image_backend;
  out["prompt_tokens"] = p.ids.size();
  out["image_grid_thw"] = grids_json(p.image_grids);
  out["video_grid_thw"] = grids_json(p.video_grids);
  out["rope_delta"] = p.positions.rope_delta;
  out["token_ids"] = p.ids;
  out["text"] = processor.tokenizer.decode(p.ids);
  return out;
}

/// The prompt with every run of one repeated token written once, "<|image|> x 16".
std::string short_text(const Prompt& p, const Tokenizer& tokenizer) {
  std::string out;
  for (size_t begin = 0; begin < p.ids.size();) {
    size_t end = begin;
    while (end < p.ids.size() && p.ids[end] == p.ids[begin]) ++end;
    const std::string token = tokenizer.decode({p.ids[begin]});
    if (end - begin > 4) {
      out += fmt::format("{} x {} ", token, end - begin);
    } else {
      for (size_t i = begin; i < end; ++i) out += tokenizer.token_bytes(p.ids[begin]);
    }
    begin = end;
  }
  return out;
}

std::string as_text(const Prompt& p, const Processor& processor) {
  std::string out;
  const auto list = [&](const char* what, const std::vector<Grid>& grids) {
    for (const Grid& g : grids) {
      out += fmt::format("{}  {} x {} x {} patches, {} tokens\n", what, g[0], g[1], g[2],
                         g[0] * g[1] * g[2] / (processor.image.merge_size * processor.image.merge_size));
    }
  };
  list("picture", p.image_grids);
  list("clip   ", p.video_grids);
  out += fmt::format("prompt   {} tokens, rope_delta {} (the next token stands at position {})\n", p.ids.size(),
                     p.positions.rope_delta, static_cast<int64_t>(p.ids.size()) + p.positions.rope_delta);
  return out + short_text(p, processor.tokenizer) + '\n';
}

int run(const Flags& f) {
  if (f.text && (f.json || !f.output.empty())) usage_error("--text prints to stdout alone: leave out --json and -o");
  const bool tensors = !f.output.empty() && !f.json;
  check_output(f.output, tensors ? Output::tensors : Output::text);
  const Processor processor = f.prompt.processor(resolve_model(f.model));
  if (f.text) {
    write_result(f.prompt.rendered(processor), "");
    return 0;
  }
  const Prompt prompt = f.prompt.make(processor);
  check_keeps_inputs(f.output);
  if (tensors) {
    TraceWriter trace;
    for (auto& [name, value] : prompt_tensors(prompt)) trace.add(name, value);
    trace.metadata() = {{"producer", "glmv"}, {"version", GLMV_VERSION}, {"image_backend", prompt.image_backend}};
    trace.write(f.output);
    std::cerr << fmt::format("{}: {} tensors of a prompt of {} tokens\n", f.output, trace.points().size(),
                             prompt.ids.size());
    return 0;
  }
  if (f.json) {
    write_json(as_json(prompt, processor), f.output);
  } else {
    write_result(as_text(prompt, processor), "");
  }
  return 0;
}

}  // namespace

void add_preprocess(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb = app.add_subcommand("preprocess", "From pictures and a question to patches, token ids and positions");
  add_model(*verb, flags->model);
  flags->prompt.add(*verb, false);
  verb->add_flag("--json", flags->json, "print JSON (glmv.preprocess/1)");
  verb->add_flag("--text", flags->text, "print what the chat template renders, byte for byte, and read no pictures");
  verb->add_option("-o,--output", flags->output, "write the tensors (safetensors; with --json: the JSON) to a file")
      ->check(not_empty());
  verb->footer(kExamples);
  verb->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace glmv::cli
