// The trained twins: the Hugging Face model's own answers to held-out pictures, token by token.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "reference/model/generate.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;
using Json = nlohmann::json;

const std::string kTwin = GLMV_SOURCE_DIR "/data/tiny/glm45v", kDenseTwin = GLMV_SOURCE_DIR "/data/tiny/glm41v";

/// The committed prompts of a twin, with the pictures in one folder.
struct Heldout {
  std::string folder;
  Json prompts;

  explicit Heldout(const std::string& twin) : folder(twin + "/heldout/") {
    std::ifstream in(folder + "heldout.json");
    prompts = Json::parse(in)["prompts"];
  }
};

Prompt prompt_of(const Processor& processor, const Heldout& heldout, const Json& p) {
  std::vector<Image> pictures;
  std::vector<Clip> clips;
  Message user{"user", {}, {}};
  for (const Json& medium : p["media"]) {
    const bool is_clip = medium["type"] == "video";
    user.content.push_back({is_clip ? ContentPart::Kind::video : ContentPart::Kind::image, ""});
    if (!is_clip) {
      pictures.push_back(read_image(heldout.folder + medium["path"].get<std::string>()));
      continue;
    }
    Clip clip;
    for (const Json& frame : medium["frames"])
      clip.frames.push_back(read_image(heldout.folder + frame.get<std::string>()));
    for (const Json& index : medium["frames_indices"])
      clip.seconds.push_back(index.get<double>() / medium["fps"].get<double>());
    clips.push_back(std::move(clip));
  }
  user.content.push_back({ContentPart::Kind::text, p["question"].get<std::string>()});
  ChatOptions options;
  options.enable_thinking = p["thinking"].get<bool>();
  return make_prompt(processor, {user}, options, pictures, clips);
}

/// What was seen over all prompts of a twin.
struct Seen {
  int64_t prompts = 0, tokens = 0, right = 0, clips = 0, pairs = 0;
  double smallest_margin = 1e9;

  std::string text() const {
    return concat(prompts, " prompts (", clips, " clips, ", pairs, " pairs), ", tokens, " tokens identical, ", right,
                  " answers right, smallest margin ", smallest_margin);
  }
};

/// One prompt; its answer must be the recorded one, as ids, as text and in the box.
void expect_same_answer(const Model& model, const Processor& processor, const Prompt& prompt, const Json& p,
                        Seen& seen) {
  EXPECT_EQ(static_cast<int64_t>(prompt.ids.size()), p["prompt_tokens"].get<int64_t>());
  const auto expected = p["ids"].get<std::vector<int64_t>>();
  SessionOptions options;
  options.max_tokens = static_cast<int64_t>(prompt.ids.size() + expected.size()) + 1;
  Session session(model, cpu_backend(), options);
  const GenerationSettings settings{.max_new_tokens = static_cast<int64_t>(expected.size()) + 1};
  const Generation g = generate(session, prompt, model.config, settings, {});
  EXPECT_EQ(g.ids, expected) << processor.tokenizer.decode(g.ids);
  EXPECT_EQ(processor.tokenizer.decode(g.ids), p["text"].get<std::string>());
  const Answer answer = parse_answer(processor.tokenizer.decode(g.ids), !p["thinking"].get<bool>());
  ASSERT_EQ(answer.boxed.size(), 1u);
  EXPECT_EQ(answer.boxed.back(), p["answer"].get<std::string>());
  seen.smallest_margin = std::min(seen.smallest_margin, *std::min_element(g.margins.begin(), g.margins.end()));
  ++seen.prompts;
  seen.tokens += static_cast<int64_t>(g.ids.size());
  seen.right += p["right"].get<bool>();
  seen.clips += !prompt.video_grids.empty();
  seen.pairs += prompt.image_grids.size() == 2;
}

Seen expect_same_answers(const std::string& twin) {
  const Heldout heldout(twin);
  const Model model = Model::open(twin);
  const Processor processor = Processor::open(twin);
  Seen seen;
  for (const Json& p : heldout.prompts) {
    SCOPED_TRACE(p["id"].get<std::string>());
    expect_same_answer(model, processor, prompt_of(processor, heldout, p), p, seen);
  }
  std::cout << seen.text() << '\n';
  EXPECT_GE(seen.clips, 6);
  EXPECT_GE(seen.pairs, 6);
  return seen;
}

TEST(Twin, GreedyTokensAreThoseOfHuggingFace) { EXPECT_GE(expect_same_answers(kTwin).prompts, 100); }

TEST(DenseTwin, GreedyTokensAreThoseOfHuggingFace) { EXPECT_GE(expect_same_answers(kDenseTwin).prompts, 80); }

// It has no switch for thinking, and the end of its answer block stops it.
TEST(DenseTwin, EveryAnswerIsABlockBehindItsReasoning) {
  const Model model = Model::open(kDenseTwin);
  const Processor processor = Processor::open(kDenseTwin);
  EXPECT_EQ(processor.chat_template, ChatTemplate::glm41v);
  const int64_t end = processor.tokenizer.id_of("</answer>");
  EXPECT_EQ(std::count(model.config.eos_token_ids.begin(), model.config.eos_token_ids.end(), end), 1);
  for (const Json& p : Heldout(kDenseTwin).prompts) {
    const Answer answer = parse_answer(p["text"].get<std::string>(), false);
    EXPECT_TRUE(answer.thinking_closed) << p["id"];
    EXPECT_EQ(answer.boxed.size(), 1u) << p["id"];
    EXPECT_EQ(p["ids"].get<std::vector<int64_t>>().back(), end) << p["id"];
  }
}

/// Where a text holds another one; each must come after the one before.
void expect_in_order(const std::string& text, const std::vector<std::string>& parts) {
  size_t at = 0;
  for (const std::string& part : parts) {
    at = text.find(part, at);
    ASSERT_NE(at, std::string::npos) << part << " in " << text;
    at += part.size();
  }
}

/// The twin's processor files in a folder of their own, with another class in preprocessor_config.json.
Processor processor_of_class(const std::string& name) {
  const fs::path folder = fs::temp_directory_path() / ("glmv_twin_" + std::to_string(::getpid()));
  fs::create_directories(folder);
  const auto overwrite = fs::copy_options::overwrite_existing;
  for (const char* file : {"config.json", "tokenizer.json", "video_preprocessor_config.json"}) {
    fs::copy_file(kTwin + '/' + file, folder / file, overwrite);
  }
  std::ifstream in(kTwin + "/preprocessor_config.json");
  Json config = Json::parse(in);
  config["processor_class"] = name;
  std::ofstream(folder / "preprocessor_config.json") << config;
  Processor processor = Processor::open(folder.string());
  fs::remove_all(folder);
  return processor;
}

TEST(Prompt, TimesOfFramesAreWrittenAsTheProcessorDoes) {
  Processor processor = Processor::open(kTwin);
  EXPECT_EQ(processor.timestamps, TimestampStyle::whole_seconds);
  Clip clip;
  clip.seconds = {0, 0.5, 1.75, 2.25, 12.25, 12.75};
  clip.frames.assign(clip.seconds.size(), Image{56, 56, std::vector<uint8_t>(size_t{56} * 56 * 3, 99)});
  const Message user{"user", {{ContentPart::Kind::video, ""}, {ContentPart::Kind::text, "?"}}, {}};
  const auto text = [&] { return processor.tokenizer.decode(make_prompt(processor, {user}, {}, {}, {clip}).ids); };
  const std::string end = "<|end_of_image|>";
  expect_in_order(text(), {end + "0<|begin_of_image|>", end + "1<|begin_of_image|>", end + "12<|end_of_video|>"});
  processor = processor_of_class("Glm46VProcessor");
  EXPECT_EQ(processor.timestamps, TimestampStyle::tenths_seconds);
  expect_in_order(text(), {end + "0.0 seconds<", end + "1.8 seconds<", end + "12.2 seconds<|end_of_video|>"});
}

}  // namespace
}  // namespace glmv
