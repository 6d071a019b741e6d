// generate from the command line: files of prompts, and random weights.
#include "tests/cli_fixture.h"

namespace glmv {
namespace {

std::vector<Json> lines_of(const std::string& text) {
  std::vector<Json> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(Json::parse(line));
  return out;
}

Json picture_question(const std::string& id, const std::string& picture, const std::string& question) {
  return {
      {"id", id},
      {"messages",
       {{{"role", "user"},
         {"content",
          {{{"type", "image"}, {"path", kTwin + "/heldout/" + picture}}, {{"type", "text"}, {"text", question}}}}}}}};
}

TEST_F(Cli, AFileOfPromptsGivesTheAnswersOfEachAlone) {
  const std::vector<std::pair<std::string, std::string>> asked = {
      {"objects-000-0.png", "How many circles are there?"},
      {"number-000-0.png", "What number is written?"},
      {"objects-003-0.png", "List the objects."},
  };
  {
    std::ofstream out(path("q.jsonl"));
    for (const auto& [picture, question] : asked) out << picture_question(picture, picture, question).dump() << "\n\n";
    out << R"({"prompt": "What?"})" << '\n';
  }
  for (const char* how : {"--batch 1", "--batch 3 --page-size 16"}) {
    const Result r = glmv(concat("generate --prompts q.jsonl --no-think ", how));
    ASSERT_EQ(r.code, 0) << r.err;
    EXPECT_NE(r.err.find("4 of 4 prompts"), std::string::npos) << r.err;
    std::map<std::string, Json> answers;
    for (const Json& line : lines_of(r.out)) answers[line["id"]] = line;
    ASSERT_EQ(answers.size(), 4u);
    EXPECT_EQ(answers.count("7"), 1u) << "without an id, the number of the line";
    for (const auto& [picture, question] : asked) {
      const Json alone = Json::parse(
          glmv("generate --json --no-think --prompt '" + question + "' --image " + kTwin + "/heldout/" + picture).out);
      for (const char* key : {"schema", "token_ids", "margins", "text", "answer", "boxed", "prompt_tokens"})
        EXPECT_EQ(answers[picture][key], alone[key]) << picture << ' ' << key;
    }
  }
  EXPECT_EQ(glmv("generate --prompts q.jsonl --no-think --batch 8 -n 2 -q -o a.jsonl").code, 0);
  EXPECT_EQ(lines_of(read(path("a.jsonl"))).size(), 4u);
  expect_error("generate --prompts q.jsonl -o a.jsonl", 2, {"a.jsonl", "there already"});
  expect_error("generate --prompts q.jsonl -q -n 1 -o /dev/full", 3, {"/dev/full", "No space"});
}

TEST_F(Cli, BrokenFilesOfPromptsAreNamedByLine) {
  const auto expect = [&](const std::string& text, int code, const std::vector<std::string>& parts) {
    std::ofstream(path("q.jsonl")) << text;
    expect_error("generate --prompts q.jsonl", code, parts);
  };
  const std::string good = R"({"id": "a", "prompt": "x"})";
  expect("", 3, {"q.jsonl", "no prompts"});
  expect(good + "\n{\"prompt\": ", 3, {"q.jsonl line 2"});
  expect(good + "\n" + good, 3, {"line 2", "\"a\"", "twice"});
  expect(R"({"question": "x"})", 3, {"line 1", "question"});
  expect(R"({"id": 7, "prompt": "x"})", 3, {"line 1", "id"});
  expect(R"({"id": "a"})", 3, {"line 1", "messages or a prompt"});
  expect(R"({"prompt": "x", "messages": []})", 3, {"line 1", "either"});
  expect(R"({"messages": []})", 3, {"line 1", "list of messages"});
  expect(picture_question("a", "no.png", "?").dump(), 3, {"\"a\"", "no.png"});
  expect(R"({"id": "long", "prompt": "<|image|>"})", 3, {"\"long\"", "placeholder"});
  expect_error("generate --prompts nowhere.jsonl", 3, {"nowhere.jsonl"});
  expect_error("generate --prompts q.jsonl --prompt x", 2, {"--prompts"});
  expect_error("generate --prompt x --batch 2", 2, {"--batch"});
  expect_error("generate --prompts q.jsonl --batch 0", 2, {"--batch"});
}

TEST_F(Cli, RandomWeightsNeedAConfigurationOnly) {
  const std::string random = "generate --random-weights --model " + kGolden + "moe_a/config.json --prompt-tokens 9 ";
  const Json cpu = Json::parse(glmv(random + "--layers 2 -n 4 --json").out);
  EXPECT_EQ(cpu["schema"], "glmv.generate/1");
  EXPECT_EQ(cpu["layers"], 2);
  EXPECT_EQ(cpu["token_ids"].size(), 4u);
  EXPECT_GT(cpu["timings"]["decode_ns"], 0);
  EXPECT_EQ(cpu["graphs"]["launched"], 0);
  const Json device = Json::parse(glmv(random + "--layers 2 -n 4 --json --backend cuda-emulated").out);
  EXPECT_EQ(device["token_ids"], cpu["token_ids"]);
  constexpr int64_t kTable =
      (3 * 12 * 16 + 255) / 256 * 256;  // of the second layer's 12 experts, 16 bytes for each matrix
  EXPECT_EQ(device["weights_bytes"].get<int64_t>(), cpu["weights_bytes"].get<int64_t>() + kTable);
  EXPECT_EQ(device["graphs"]["launched"], 2);  // of three steps the first runs as it is
  const Json warm = Json::parse(glmv(random + "--batch 2 -n 4 --json --warm-up --backend cuda-emulated").out);
  EXPECT_EQ(warm["sequences"], 2);
  EXPECT_EQ(warm["graphs"]["launched"], 5);
  EXPECT_NE(glmv(random + "-n 2").out.find("tokens/s"), std::string::npos);
}

TEST_F(Cli, RandomWeightsThatCannotBe) {
  const std::string random = "generate --random-weights --model " + kGolden + "moe_a/config.json ";
  expect_error(random + "--layers 99", 2, {"99", "config.json"});
  expect_error(random + "--prompt x", 2, {"--random-weights"});
  expect_error(random + "--prompts x", 2, {"--random-weights"});
  expect_error(random + "--prompt-tokens 0", 2, {"--prompt-tokens"});
  expect_error(random + "--prompt-tokens 1000000 -n 5", 2, {"1000000", "positions"});
  expect_error("generate --prompt x --layers 2", 2, {"--layers"});
  expect_error(random + "--backend cuda-emulated --dtype f64", 2, {"f64"});
  Json config = Json::parse(read(kGolden + "moe_a/config.json"));
  config["text_config"]["vocab_size"] = 1 << 30;
  std::ofstream(path("config.json")) << config;
  for (const char* backend : {"cpu", "cuda-emulated"}) {
    expect_error(concat("generate --random-weights --model config.json --backend ", backend), 3,
                 {backend, "out of memory", "bytes are wanted", "are free"});
  }
}

}  // namespace
}  // namespace glmv
