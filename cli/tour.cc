// tour: what ./run shows. The tiny model answers questions about pictures it was not trained on, every answer is held
// against the Hugging Face model's, and a recorded pass is checked layer by layer.
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "cli/flags.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/verbs.h"
#include "crosscheck/crosscheck.h"
#include "crosscheck/report.h"
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

/// One held-out question with what Hugging Face answered and what we do.
struct Asked {
  std::string kind, question, gold, theirs, ours;
  std::vector<std::string> pictures;  ///< paths; the frames of a clip one after the other
  bool is_clip = false, thinking = false, same_tokens = false, right = false;
  int64_t prompt_tokens = 0, new_tokens = 0, patches = 0;
};

Json read_json(const std::string& path) {
  std::ifstream in(path);
  if (!in) input_error(path, ": no such file");
  try {
    return Json::parse(in);
  } catch (const Json::exception& e) {
    input_error(path, ": ", e.what());
  }
}

Prompt prompt_of(const Processor& processor, const Json& p, const std::string& folder, Asked& asked) {
  std::vector<Image> pictures;
  std::vector<Clip> clips;
  Message user{"user", {}, {}};
  for (const Json& medium : p.at("media")) {
    asked.is_clip = medium.at("type") == "video";
    user.content.push_back({asked.is_clip ? ContentPart::Kind::video : ContentPart::Kind::image, ""});
    const auto path = [&](const Json& name) {
      asked.pictures.push_back(folder + '/' + name.get<std::string>());
      return asked.pictures.back();
    };
    if (!asked.is_clip) {
      pictures.push_back(read_image(path(medium.at("path"))));
      continue;
    }
    Clip clip;
    for (const Json& frame : medium.at("frames")) clip.frames.push_back(read_image(path(frame)));
    for (const Json& index : medium.at("frames_indices"))
      clip.seconds.push_back(index.get<double>() / medium.at("fps").get<double>());
    clips.push_back(std::move(clip));
  }
  user.content.push_back({ContentPart::Kind::text, asked.question});
  ChatOptions options;
  options.enable_thinking = asked.thinking;
  return make_prompt(processor, {user}, options, pictures, clips);
}

Asked ask(const Model& model, const Backend& backend, const Processor& processor, const Json& p,
          const std::string& folder, Timings& total) {
  Asked a;
  a.kind = p.at("kind");
  a.question = p.at("question");
  a.gold = p.at("gold");
  a.theirs = p.at("answer");
  a.thinking = p.at("thinking");
  const Prompt prompt = prompt_of(processor, p, folder, a);
  const auto expected = p.at("ids").get<std::vector<int64_t>>();
  SessionOptions options;
  options.max_tokens = static_cast<int64_t>(prompt.ids.size()) + 128;
  Session session(model, backend, options);
  const Generation g = generate(session, prompt, model.config, {});
  const Answer answer = parse_answer(processor.tokenizer.decode(g.text_ids()), !a.thinking);
  a.ours = answer.boxed.empty() ? answer.answer : answer.boxed.back();
  a.same_tokens = g.ids == expected;
  a.right = a.ours == a.theirs ? p.at("right").get<bool>() : a.ours == a.gold;
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
  std::string out = fmt::format("  {}{}\n", file, more);
  if (coloured()) out += thumbnail(a.pictures[0]);
  out += fmt::format("    {}\n    {}", one_line(a.question), a.ours);
  out += a.right ? paint("   right", 32) : paint(fmt::format("   wrong, it is {}", a.gold), 33);
  return out + (a.same_tokens ? "" : paint("   NOT the tokens of Hugging Face", 31)) + "\n\n";
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  return out;
}

void write_page(const std::vector<Asked>& all, const std::string& dir) {
  fs::create_directories(dir);
  std::string html =
      "<!doctype html><meta charset=utf-8><title>glmv: the tiny twin's held-out pictures</title>\n"
      "<style>body{font:15px "
      "system-ui;margin:2em;max-width:75em}div{display:inline-block;vertical-align:top;width:17em;margin:0 1em 1.5em 0}"
      "img{width:112px;image-rendering:pixelated;border:1px solid "
      "#ccc;margin-right:3px}.w{color:#a40}.r{color:#070}</style>\n"
      "<h1>Held-out pictures and the tiny GLM-4.5V's answers</h1>\n";
  for (const Asked& a : all) {
    html += "<div>";
    for (const std::string& picture : a.pictures) {
      const std::string copy = fs::path(picture).filename().string();
      fs::copy_file(picture, fs::path(dir) / copy, fs::copy_options::overwrite_existing);
      html += "<img src=\"" + escaped(copy) + "\">";
    }
    html += fmt::format("<br>{}{}<br><b class={}>{}</b>{}</div>\n", escaped(a.question),
                        a.thinking ? " <i>thinking</i>" : "", a.right ? "r" : "w", escaped(a.ours),
                        a.right ? "" : escaped(fmt::format(" (it is {})", a.gold)));
  }
  write_result(html, dir + "/index.html");
}

/// The recorded Hugging Face passes beside the snapshot, judged; the first one is shown whole.
std::string crosscheck_text(const Model& model, bool& ok, Progress& progress) {
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
    ok = ok && report.within();
    out += text_report(report, false) + '\n';
  }
  return out;
}

std::string timings_text(const std::vector<Asked>& all, const Timings& t) {
  int64_t patches = 0, prompt = 0, made = 0;
  for (const Asked& a : all) patches += a.patches, prompt += a.prompt_tokens, made += a.new_tokens - 1;
  const auto rate = [](int64_t n, int64_t ns) { return static_cast<double>(n) / (static_cast<double>(ns) * 1e-9); };
  return fmt::format("  vision {:.0f} patches/s, prefill {:.0f} tokens/s, decode {:.0f} tokens/s\n",
                     rate(patches, t.vision_ns), rate(prompt, t.prefill_ns), rate(made, t.decode_ns));
}

int run(const Flags& f) {
  const Backend& backend = f.run.use();
  Progress progress;
  const Model model = Model::open(f.model);
  const Processor processor = Processor::open(model.dir);
  const Json heldout = read_json(model.dir + "/heldout/heldout.json");
  Timings timings;
  std::vector<Asked> all;
  for (const Json& p : heldout.at("prompts")) {
    progress.say(fmt::format("question {} of {}", all.size() + 1, heldout.at("prompts").size()));
    all.push_back(ask(model, backend, processor, p, model.dir + "/heldout", timings));
  }
  bool ok = true;
  const std::string checks = crosscheck_text(model, ok, progress);
  progress.clear();

  std::string out = fmt::format("A GLM-4.5V of {} parameters looks at pictures it was not trained on\n\n",
                                grouped(summarise(model.config).parameters));
  std::set<std::string> shown;
  int64_t right = 0, same = 0;
  for (const Asked& a : all) {
    right += a.right;
    same += a.same_tokens;
    if (!a.thinking && shown.insert(a.kind).second) out += row_text(a);
  }
  const auto n = static_cast<int64_t>(all.size());
  ok = ok && same == n;
  out += fmt::format(
      "  {} questions in all (one of each kind above, more with thinking): {} right; {} of {} answers are the tokens "
      "of Hugging Face\n\n",
      n, right, same, n);
  out += "Layer by layer against what the Hugging Face model computed\n\n" + checks;
  out += "Timings, over all questions\n" + timings_text(all, timings);
  if (!f.output.empty()) {
    write_page(all, f.output);
    out += fmt::format(
        "\nFiles\n  {}/index.html   every picture with its question and answer\n  {}   the model: config, weights, "
        "tokenizer, held-out pictures\n",
        f.output, model.dir);
  }
  write_result(out, "");
  return ok ? 0 : static_cast<int>(ExitCode::differs);
}

}  // namespace

void add_tour(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* verb =
      app.add_subcommand("tour", "The tiny model's pictures and answers, and its cross-check: what ./run shows");
  add_model(*verb, flags->model);
  flags->run.add(*verb, false);
  verb->add_option("-o,--output", flags->output, "write a page with all pictures and answers into this folder");
  verb->footer(kExamples);
  verb->callback([flags, &exit_code] { exit_code = run(*flags); });
}

}  // namespace glmv::cli
