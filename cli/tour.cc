// tour: what ./run shows. The tiny model answers questions about pictures it was not trained on, every answer is held
// against the Hugging Face model's, and a recorded pass is checked layer by layer.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>

#include "cli/flags.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/tour_page.h"
#include "cli/verbs.h"
#include "crosscheck/crosscheck.h"
#include "crosscheck/report.h"
#include "data/file.h"
#include "data/json_file.h"
#include "data/json_node.h"
#include "reference/model/generate.h"
#include "reference/model/summary.h"

namespace glmv::cli {
namespace {
namespace fs = std::filesystem;

struct Flags {
  std::string model, output;
  RunFlags run;
};

constexpr const char* kExamples = R"(Examples:
  glmv tour
      the embedded tiny model: pictures, answers, cross-check
  glmv tour -o build/tour
      the same, and a page with the pictures beside the answers (build/tour/index.html)
  glmv tour --threads 1
      on one thread: the same bits, slower)";

constexpr uint64_t kMostHeldoutBytes = 64u << 20;

/// The pictures and the clip of one question: read, and put into its message.
struct Media {
  std::vector<Image> pictures;
  std::vector<Clip> clips;
};

Clip read_clip(const JsonNode& medium, const std::string& folder, Asked& asked) {
  Clip clip;
  for (const JsonNode& frame : medium.at("frames").list()) {
    asked.pictures.push_back(folder + '/' + frame.text());
    clip.frames.push_back(read_image(asked.pictures.back()));
  }
  const double fps = medium.at("fps").number();
  if (!(fps > 0)) medium.at("fps").refuse("a positive number");
  for (const JsonNode& index : medium.at("frames_indices").list()) clip.seconds.push_back(index.number() / fps);
  if (clip.frames.empty()) medium.at("frames").refuse("a list of pictures");
  if (clip.seconds.size() != clip.frames.size()) medium.at("frames_indices").refuse("one index per frame");
  return clip;
}

Media read_media(const JsonNode& p, const std::string& folder, Message& user, Asked& asked) {
  Media media;
  const std::vector<JsonNode> list = p.at("media").list();
  if (list.empty()) p.at("media").refuse("a list of at least one picture or clip");
  for (const JsonNode& medium : list) {
    const std::string type = medium.at("type").text();
    if (type != "image" && type != "video") medium.at("type").refuse("image or video");
    asked.is_clip = type == "video";
    user.content.push_back({asked.is_clip ? ContentPart::Kind::video : ContentPart::Kind::image, ""});
    if (asked.is_clip) {
      media.clips.push_back(read_clip(medium, folder, asked));
    } else {
      asked.pictures.push_back(folder + '/' + medium.at("path").text());
      media.pictures.push_back(read_image(asked.pictures.back()));
    }
  }
  return media;
}

Prompt prompt_of(const Processor& processor, const JsonNode& p, const std::string& folder, Asked& asked) {
  Message user{"user", {}, {}};
  const Media media = read_media(p, folder, user, asked);
  user.content.push_back({ContentPart::Kind::text, asked.question});
  ChatOptions options;
  options.enable_thinking = asked.thinking;
  try {
    return make_prompt(processor, {user}, options, media.pictures, media.clips);
  } catch (const Error& e) {
    throw Error(e.code(), concat(p.where, ": ", e.what()));
  }
}

Asked ask(const Model& model, const DeviceWeights::Shared& weights, const Processor& processor, const JsonNode& p,
          const std::string& folder, Timings& total) {
  Asked a;
  a.kind = p.at("kind").text();
  a.question = p.at("question").text();
  a.gold = p.at("gold").text();
  a.theirs = p.at("answer").text();
  a.thinking = p.at("thinking").flag();
  const bool right = p.at("right").flag();
  std::vector<int64_t> expected;
  for (const JsonNode& id : p.at("ids").list()) expected.push_back(id.integer());
  const Prompt prompt = prompt_of(processor, p, folder, a);
  SessionOptions options;
  options.max_tokens = static_cast<int64_t>(prompt.ids.size()) + 128;
  Session session(model, weights, options);
  const Generation g = generate(session, prompt, model.config, {}, {});
  const Answer answer = parse_answer(processor.tokenizer.decode(g.text_ids()), !a.thinking);
  a.ours = answer.boxed.empty() ? answer.answer : answer.boxed.back();
  a.same_tokens = g.ids == expected;
  a.right = a.ours == a.theirs ? right : a.ours == a.gold;
  a.prompt_tokens = static_cast<int64_t>(prompt.ids.size());
  a.new_tokens = static_cast<int64_t>(g.ids.size());
  for (const auto& grids : {prompt.image_grids, prompt.video_grids}) {
    for (const Grid& grid : grids) a.patches += grid[0] * grid[1] * grid[2];
  }
  total.vision_ns += session.timings().vision_ns;
  total.prefill_ns += session.timings().prefill_ns;
  total.decode_ns += session.timings().decode_ns;
  return a;
}

bool coloured() { return ::isatty(STDOUT_FILENO) != 0 && std::getenv("NO_COLOR") == nullptr; }
std::string paint(const std::string& text, int colour) {
  return coloured() ? fmt::format("\x1b[{}m{}\x1b[0m", colour, text) : text;
}

/// A question of several lines on one.
std::string one_line(std::string text) {
  for (size_t at; (at = text.find('\n')) != std::string::npos;) text.replace(at, 1, "  ");
  return text;
}

/// A picture as two-rows-per-line half blocks, for terminals that show colours.
std::string thumbnail(const std::string& path) {
  const Image image = read_image(path);
  const Size size{image.height * 24 / std::max(image.width, image.height) / 2 * 2,
                  image.width * 24 / std::max(image.width, image.height)};
  const Image small = resize_torchvision(image, size);
  const auto pixel = [&](int64_t y, int64_t x) { return &small.rgb[static_cast<size_t>((y * small.width + x) * 3)]; };
  std::string out;
  for (int64_t y = 0; y < small.height; y += 2) {
    out += "    ";
    for (int64_t x = 0; x < small.width; ++x) {
      const uint8_t *a = pixel(y, x), *b = pixel(y + 1, x);
      out += fmt::format("\x1b[38;2;{};{};{}m\x1b[48;2;{};{};{}m▀", a[0], a[1], a[2], b[0], b[1], b[2]);
    }
    out += "\x1b[0m\n";
  }
  return out;
}

std::string row_text(const Asked& a) {
  const std::string file = fs::path(a.pictures[0]).filename().string();
  const std::string more = a.pictures.size() > 1
                               ? fmt::format(" and {} more {}", a.pictures.size() - 1, a.is_clip ? "frames" : "picture")
                               : "";
  std::string out = fmt::format("  {}{}{}\n", file, more, a.thinking ? ", with thinking" : "");
  if (coloured()) out += thumbnail(a.pictures[0]);
  out += fmt::format("    {}\n    {}", one_line(a.question), a.ours);
  out += a.right ? paint("   right", 32) : paint(fmt::format("   wrong, it is {}", a.gold), 33);
  return out + (a.same_tokens ? "" : paint("   NOT the tokens of Hugging Face", 31)) + "\n\n";
}

/// The recorded Hugging Face passes beside the snapshot, judged. `worst`: ok unless one of them says otherwise; one
/// that differs says most.
std::string crosscheck_text(const Model& model, ExitCode& worst, Progress& progress) {
  std::string out;
  std::set<std::string> traces;
  const std::string folder = model.dir + "/traces";
  if (fs::is_directory(folder)) {
    for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".safetensors") traces.insert(entry.path().string());
    }
  }
  if (traces.empty()) return "  no recorded traces beside this snapshot\n";
  for (const std::string& path : traces) {
    const Theirs theirs = theirs_from(SafetensorsFile::open(path));
    CrosscheckOptions options;
    options.dtype = dtype_of_trace(theirs);
    options.progress = [&](const std::string& what) { progress.say(what); };
    const CrosscheckReport report = crosscheck(model, theirs, options);
    const ExitCode verdict = report.verdict();
    if (worst == ExitCode::ok || verdict == ExitCode::differs) worst = verdict;
    out += text_report(report, false) + '\n';
  }
  return out;
}

std::string timings_text(const std::vector<Asked>& all, const Timings& t) {
  int64_t patches = 0, prompt = 0, made = 0;
  for (const Asked& a : all) patches += a.patches, prompt += a.prompt_tokens, made += a.new_tokens - 1;
  const auto rate = [](int64_t n, int64_t ns) {
    return ns == 0 ? 0 : static_cast<double>(n) / (static_cast<double>(ns) * 1e-9);
  };
  return fmt::format("  vision {:.0f} patches/s, prefill {:.0f} tokens/s, decode {:.0f} tokens/s\n",
                     rate(patches, t.vision_ns), rate(prompt, t.prefill_ns), rate(made, t.decode_ns));
}

/// One of each kind, then every wrong answer that is not among them.
std::string questions_text(const std::vector<Asked>& all) {
  std::string first = "One question of each kind\n\n", wrong;
  std::set<std::string> shown;
  int64_t others = 0;
  for (const Asked& a : all) {
    const bool is_second_mode = a.kind.ends_with("+t");  // the same kind with thinking, where a model has the switch
    if (!is_second_mode && shown.insert(a.kind).second) {
      first += row_text(a);
    } else if (!a.right) {
      wrong += row_text(a);
      ++others;
    }
  }
  return first + (others == 0 ? "" : fmt::format("The wrong answers that are not above: {}\n\n", others) + wrong);
}

std::string totals_text(const std::vector<Asked>& all) {
  const auto count = [&](auto is) { return std::count_if(all.begin(), all.end(), is); };
  return fmt::format(
      "{} questions were asked, {} of them with thinking: {} answers are right, {} are token by token the answers of "
      "Hugging Face\n\n",
      all.size(), count([](const Asked& a) { return a.thinking; }), count([](const Asked& a) { return a.right; }),
      count([](const Asked& a) { return a.same_tokens; }));
}

std::vector<Asked> ask_all(const Flags& f, const Model& model, const std::vector<JsonNode>& prompts, Timings& timings,
                           Progress& progress) {
  const DeviceWeights::Shared weights = DeviceWeights::upload(model.weights, f.run.use());
  const Processor processor = Processor::open(model.dir);
  std::vector<Asked> all;
  for (const JsonNode& p : prompts) {
    progress.say(fmt::format("question {} of {}", all.size() + 1, prompts.size()));
    all.push_back(ask(model, weights, processor, p, model.dir + "/heldout", timings));
  }
  return all;
}

int run(const Flags& f) {
  check_output("", Output::text);
  if (!f.output.empty()) check_output(f.output, Output::folder);
  Progress progress;
  const Model model = Model::open(f.model);
  const std::string questions = model.dir + "/heldout/heldout.json";
  const nlohmann::json heldout = parse_json_object(read_file(questions, kMostHeldoutBytes), questions);
  const std::vector<JsonNode> prompts = JsonNode{heldout, questions + ':'}.at("prompts").list();
  if (prompts.empty()) {
    std::cerr << "glmv: " << questions << ": prompts is empty, so there is nothing to ask\n";
    return static_cast<int>(ExitCode::skipped);
  }
  Timings timings;
  const std::vector<Asked> all = ask_all(f, model, prompts, timings, progress);
  const bool same = std::all_of(all.begin(), all.end(), [](const Asked& a) { return a.same_tokens; });
  ExitCode worst = same ? ExitCode::ok : ExitCode::differs;
  const std::string checks = crosscheck_text(model, worst, progress);
  progress.clear();

  std::string out = fmt::format("A {} of {} parameters looks at pictures it was not trained on\n\n",
                                model.config.family == Family::dense ? "GLM-4.1V" : "GLM-4.5V",
                                grouped(summarise(model.config).parameters));
  out += questions_text(all) + totals_text(all);
  out += "Layer by layer against what the Hugging Face model computed\n\n" + checks;
  out += "Timings, over all questions\n" + timings_text(all, timings);
  if (!f.output.empty()) {
    write_tour_page(all, f.output);
    out += fmt::format(
        "\nFiles\n  {}/index.html   every picture with its question and answer\n  {}   the model: config, weights, "
        "tokenizer, held-out pictures\n",
        f.output, model.dir);
  }
  write_result(out, "");
  return static_cast<int>(worst);
}

}  // namespace

void add_tour(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      app.add_subcommand("tour", "The tiny model's pictures and answers, and its cross-check: what ./run shows");
  add_model(*verb, flags->model);
  flags->run.add(*verb, false);
  verb->add_option("-o,--output", flags->output, "write a page with all pictures and answers into this folder")
      ->check(not_empty());
  verb->footer(kExamples);
  verb->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace glmv::cli
