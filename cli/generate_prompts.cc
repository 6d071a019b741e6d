// generate --prompts: a file of prompts, several at once, a line of JSON for each as it ends.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <iostream>

#include "cli/generate.h"
#include "cli/progress.h"
#include "cli/signals.h"
#include "data/file.h"

namespace glmv::cli {
namespace {
namespace fs = std::filesystem;

/// Lines that are safe once written: each is on the disk before the next one is begun.
class Lines {
 public:
  explicit Lines(const std::string& path) : path_(path) {
    if (is_stdout(path)) return;
    if (fs::is_regular_file(path) && fs::file_size(path) > 0)
      usage_error(path, ": is there already, and lines are only added to an empty file");
    file_ = Descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
    if (file_.get() < 0) fail();
  }

  void add(const Json& json) {
    const std::string line = json.dump() + '\n';
    if (file_.get() < 0) {
      std::cout << line << std::flush;
      if (!std::cout) input_error("stdout: cannot write the result");
      return;
    }
    if (!write_all(file_.get(), line.data(), line.size())) fail();
    if (::fsync(file_.get()) != 0 && errno != EINVAL && errno != EROFS) fail();  // a pipe or device has nothing to sync
  }

 private:
  [[noreturn]] void fail() const { input_error(path_, ": cannot be written: ", std::strerror(errno)); }

  std::string path_;
  Descriptor file_;  ///< none: stdout
};

/// The prompt of one line. Errors name it.
Prompt prompt_of(const GenerateFlags& f, const Processor& processor, const NamedConversation& named) {
  try {
    const Media media = read_media(named.conversation, processor, f.prompt.fps);
    const ChatOptions options = f.prompt.chat_options(processor, named.conversation);
    Prompt prompt = make_prompt(processor, named.conversation.messages, options, media.pictures, media.clips);
    const auto have = static_cast<int64_t>(prompt.ids.size()), most = processor.config.text.max_position_embeddings;
    if (have >= most) input_error(have, " tokens leave no room among ", most, " positions (max_position_embeddings)");
    return prompt;
  } catch (const Error& e) {
    throw Error(e.code(), concat(f.prompts, ": prompt \"", named.id, "\": ", e.what()));
  }
}

}  // namespace

int run_prompts(const GenerateFlags& f) {
  if (f.prompt.asks() || !f.prompt.inputs.empty())
    usage_error("--prompts holds the prompts: leave out --prompt, --messages, --inputs, --system, --image and --video");
  check_output(f.output, Output::text);
  const Backend& backend = f.run.use();
  const std::vector<NamedConversation> named = read_prompts(f.prompts, f.settings);
  const Processor processor = f.prompt.processor(resolve_model(f.model));
  std::vector<Prompt> prompts;
  SessionOptions options = f.session();
  std::vector<GenerationSettings> settings;
  bool budget = false;
  for (const NamedConversation& n : named) {
    prompts.push_back(prompt_of(f, processor, n));
    const auto tokens = static_cast<int64_t>(prompts.back().ids.size());
    settings.push_back(n.settings);
    int64_t& most = settings.back().max_new_tokens;
    most = std::min(most, processor.config.text.max_position_embeddings - tokens);
    options.max_tokens = std::max(options.max_tokens, tokens + most);
    budget = budget || n.settings.thinking_budget;
  }
  options.sequences = std::min(f.batch, static_cast<int64_t>(prompts.size()));
  const Model model = Model::open(f.model);
  check_keeps_inputs(f.output);
  Lines lines(f.output);
  GenerateOptions how;
  how.ignore_eos = f.ignore_eos;
  how.tokenizer = &processor.tokenizer;
  if (budget) how.think = think_tokens(processor.tokenizer, processor.chat_template);
  Progress progress(f.quiet);
  size_t done = 0;
  how.on_token = [&](int64_t) { return stop_signal() == 0; };
  stop_on_signals();
  BatchSession session(model, DeviceWeights::upload(model.weights, backend), options);
  generate_all(session, prompts, model.config, settings, how, [&](size_t i, const Generation& g) {
    if (g.finish_reason == "cancelled") return;  // a part would look like the whole
    Json line = result_header("generate");
    line["id"] = named[i].id;
    put_answer(line, prompts[i], g, settings[i], &processor.tokenizer, f.prompt.no_think);
    lines.add(line);
    progress.say(fmt::format("{} of {} prompts", ++done, prompts.size()));
  });
  progress.clear();
  const Timings& t = session.timings();
  if (!f.quiet) {
    std::cerr << fmt::format(
        "[{} of {} prompts, up to {} at once; vision {:.3f} s, prefill {:.3f} s, decode {:.3f} s]\n", done,
        prompts.size(), options.sequences, static_cast<double>(t.vision_ns) * 1e-9,
        static_cast<double>(t.prefill_ns) * 1e-9, static_cast<double>(t.decode_ns) * 1e-9);
  }
  return stop_signal() == 0 ? 0 : 128 + stop_signal();
}

}  // namespace glmv::cli
