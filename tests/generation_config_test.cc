// generation_config.json: what the library's generate() takes from it, and what glmv does with it.
#include "data/generation_config.h"

#include "reference/core/error.h"
#include "tests/cli_fixture.h"

namespace glmv {
namespace {

class GenerationConfig : public Cli {
 protected:
  void write(const Json& content) const { std::ofstream(path("generation_config.json")) << content; }
  /// The twin with another generation_config.json.
  std::string twin_with(const Json& content) const {
    fs::create_directories(path("twin"));
    for (const auto& entry : fs::directory_iterator(kTwin)) {
      if (entry.is_regular_file()) fs::copy_file(entry.path(), path("twin") / entry.path().filename());
    }
    std::ofstream(path("twin") / "generation_config.json") << content;
    return path("twin").string();
  }
  void expect_refusal(const Json& content, ExitCode code, const std::string& part) const {
    write(content);
    try {
      read_published_sampling(dir_.string());
      ADD_FAILURE() << content << " accepted";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
      EXPECT_NE(std::string(e.what()).find("generation_config.json"), std::string::npos) << e.what();
    }
  }
};

TEST_F(GenerationConfig, ValuesAreThoseTheLibraryTakes) {
  const Json rows = Json::parse(read(kGolden + "generation/configs.json"))["rows"];
  ASSERT_GE(rows.size(), 8u);
  for (const Json& row : rows) {
    SCOPED_TRACE(row["name"].get<std::string>());
    write(row["file"]);
    const PublishedSampling p = *read_published_sampling(dir_.string());
    const Json& taken = row["taken"];
    EXPECT_EQ(p.do_sample, taken["do_sample"]);
    EXPECT_EQ(p.temperature, taken["temperature"]);
    EXPECT_EQ(p.top_k, taken["top_k"]);
    EXPECT_EQ(p.top_p, taken["top_p"]);
    EXPECT_EQ(p.min_p, taken["min_p"].is_null() ? 0.0 : taken["min_p"].get<double>());
    EXPECT_EQ(p.repetition_penalty, taken["repetition_penalty"]);
    EXPECT_EQ(p.max_new_tokens ? Json(*p.max_new_tokens) : Json(), taken["max_new_tokens"]);
    EXPECT_EQ(p.settings({}).samples(), taken["do_sample"]) << "temperature means nothing without do_sample";
  }
  fs::remove(path("generation_config.json"));
  EXPECT_FALSE(read_published_sampling(dir_.string()));
}

TEST_F(GenerationConfig, WhatMeansNothingIsRefused) {
  expect_refusal({{"top_k", "two"}}, ExitCode::bad_input, "top_k");
  expect_refusal({{"do_sample", 1}}, ExitCode::bad_input, "do_sample");
  expect_refusal({{"do_sample", true}, {"temperature", 0}}, ExitCode::usage, "temperature is 0");
  expect_refusal({{"do_sample", true}, {"top_p", 1.5}}, ExitCode::usage, "top_p is 1.5");
  expect_refusal({{"repetition_penalty", 0}}, ExitCode::usage, "repetition_penalty is 0");
  expect_refusal({{"max_new_tokens", 0}}, ExitCode::usage, "max_new_tokens is 0");
}

TEST_F(GenerationConfig, WhatIsNotSupportedIsFound) {
  write({{"num_beams", 4},
         {"typical_p", 1.0},
         {"no_repeat_ngram_size", 3},
         {"output_scores", true},
         {"min_new_tokens", nullptr},
         {"early_stopping", false},
         {"eos_token_id", {1, 2}}});
  const PublishedSampling p = *read_published_sampling(dir_.string());
  EXPECT_EQ(p.unsupported, (std::vector<std::string>{"no_repeat_ngram_size is 3", "num_beams is 4"}));
}

const Json kSampling = {
    {"do_sample", true}, {"temperature", 0.8}, {"top_k", 2}, {"top_p", 0.6}, {"eos_token_id", {460, 467, 469}}};
const std::string kAsk = "generate --prompt Hello -n 3 --json --model ";

TEST_F(GenerationConfig, TheAnswerIsGreedyAndSaysSo) {
  const Result r = glmv(kAsk + twin_with(kSampling));
  ASSERT_EQ(r.code, 0) << r.err;
  EXPECT_EQ(Json::parse(r.out)["settings"]["do_sample"], false);
  EXPECT_NE(r.err.find("asks for temperature 0.8, top_k 2, top_p 0.6; this answer is greedy"), std::string::npos)
      << r.err;
  const Result chosen = glmv(kAsk + path("twin").string() + " --temperature 1");
  EXPECT_EQ(chosen.err.find("note"), std::string::npos) << chosen.err;
  const Result info = glmv("info --model " + path("twin").string());
  EXPECT_NE(info.out.find("temperature 0.8, top_k 2, top_p 0.6; generate is greedy unless --as-configured"),
            std::string::npos)
      << info.out;
}

TEST_F(GenerationConfig, TheFileIsFollowedWhenAskedAndFlagsOutrankIt) {
  const std::string model = twin_with(kSampling);
  Json settings = Json::parse(glmv(kAsk + model + " --as-configured").out)["settings"];
  EXPECT_EQ(settings["do_sample"], true);
  EXPECT_EQ(settings["temperature"], 0.8);
  EXPECT_EQ(settings["top_k"], 2);
  EXPECT_EQ(settings["top_p"], 0.6);
  settings = Json::parse(glmv(kAsk + model + " --as-configured --top-k 5 --temperature 1.5").out)["settings"];
  EXPECT_EQ(settings["temperature"], 1.5);
  EXPECT_EQ(settings["top_k"], 5);
  EXPECT_EQ(settings["top_p"], 0.6);
  settings = Json::parse(glmv(kAsk + model + " --as-configured --temperature 0").out)["settings"];
  EXPECT_EQ(settings["do_sample"], false);
  // The same tokens as with the values given one by one.
  const Json followed = Json::parse(glmv(kAsk + model + " --as-configured --seed 9").out)["token_ids"];
  const Json given =
      Json::parse(glmv(kAsk + model + " --temperature 0.8 --top-k 2 --top-p 0.6 --seed 9").out)["token_ids"];
  EXPECT_EQ(followed, given);
}

TEST_F(GenerationConfig, WhatCannotBeFollowedIsAnError) {
  expect_error(kAsk + twin_with({{"num_beams", 4}}) + " --as-configured", 2,
               {"generation_config.json", "num_beams is 4"});
  fs::remove(path("twin") / "generation_config.json");
  expect_error(kAsk + path("twin").string() + " --as-configured", 2, {"has no generation_config.json"});
}

}  // namespace
}  // namespace glmv
