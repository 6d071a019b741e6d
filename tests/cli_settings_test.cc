// generate from the command line: sampling, stop strings, thinking budgets, log-probabilities, boxes drawn, templates.
#include "tests/cli_fixture.h"

namespace glmv {
namespace {

const std::string kAsk = "generate --image " + kPicture + " --prompt 'How many circles are there?' ";
const std::string kLocate = "generate --image " + kPicture + " --prompt 'Locate the green circle.' --no-think ";

TEST_F(Cli, SettingsAreInTheResult) {
  const Result r = glmv(kAsk +
                        "--json --temperature 0.8 --top-k 2 --top_p 0.6 --min-p 0.01 --repetition-penalty 1.1 --seed 7 "
                        "--stop 'never said' --thinking-budget 1 --logprobs 2 -n 9");
  ASSERT_EQ(r.code, 0) << r.err;
  const Json j = Json::parse(r.out);
  const Json expected = {{"max_new_tokens", 9},    {"do_sample", true},   {"temperature", 0.8},        {"top_k", 2},
                         {"top_p", 0.6},           {"min_p", 0.01},       {"repetition_penalty", 1.1}, {"seed", 7},
                         {"stop", {"never said"}}, {"thinking_budget", 1}};
  EXPECT_EQ(j["settings"], expected);
  EXPECT_EQ(j["forced_tokens"], 1);
  ASSERT_EQ(j["logprobs"].size(), j["token_ids"].size());
  for (size_t i = 0; i < j["logprobs"].size(); ++i) {
    const Json& one = j["logprobs"][i];
    EXPECT_EQ(one["id"], j["token_ids"][i]);
    EXPECT_LE(one["logprob"].get<double>(), 0);
    EXPECT_EQ(one["top_logprobs"].size(), 2u);
    const auto bytes = one["bytes"].get<std::vector<uint8_t>>();
    EXPECT_EQ(one["token"], std::string(bytes.begin(), bytes.end()));
  }
  EXPECT_EQ(j["logprobs"][2]["token"], "</think>");
  EXPECT_GT(j["timings"]["decode_ns"], 0);
  const Json greedy = Json::parse(glmv(kAsk + "--json").out);
  EXPECT_EQ(greedy["stop_reason"], greedy["token_ids"].back());
  EXPECT_FALSE(greedy.contains("logprobs"));
}

TEST_F(Cli, AStopStringIsNotPrinted) {
  const std::string whole = glmv(kLocate + "-q").out;
  const size_t at = whole.find("650");
  ASSERT_NE(at, std::string::npos) << whole;
  for (const char* how : {"", "-o answer.txt"}) {
    const Result r = glmv(kLocate + "-q --stop nowhere --stop 650 " + how);
    ASSERT_EQ(r.code, 0) << r.err;
    EXPECT_EQ(*how == '\0' ? r.out : read(path("answer.txt")), whole.substr(0, at) + "\n");
  }
  const Json j = Json::parse(glmv(kLocate + "--json --stop 650").out);
  EXPECT_EQ(j["finish_reason"], "stop");
  EXPECT_EQ(j["stop_reason"], "650");
  EXPECT_NE(glmv(kLocate + "--stop 650").err.find("ended before a stop string"), std::string::npos);
}

TEST_F(Cli, EachLineOfPromptsMayHaveSettingsOfItsOwn) {
  std::ofstream(path("q.jsonl"))
      << R"({"id": "a", "prompt": "What?", "temperature": 1.5, "seed": 3, "max_new_tokens": 8}
{"id": "b", "prompt": "What?", "max_new_tokens": 4, "logprobs": 1}
{"id": "c", "prompt": "What?"}
)";
  const Result r = glmv("generate --prompts q.jsonl --batch 3 -n 6 --temperature 1.2 --seed 5");
  ASSERT_EQ(r.code, 0) << r.err;
  std::map<std::string, Json> answers;
  std::istringstream in(r.out);
  for (std::string line; std::getline(in, line);) {
    const Json one = Json::parse(line);
    answers[one["id"]] = one;
  }
  const auto alone = [&](const std::string& flags) {
    return Json::parse(glmv("generate --prompt 'What?' --json " + flags).out)["token_ids"];
  };
  EXPECT_EQ(answers["a"]["token_ids"], alone("-n 8 --temperature 1.5 --seed 3"));
  EXPECT_EQ(answers["b"]["token_ids"], alone("-n 4 --temperature 1.2 --seed 5"));
  EXPECT_EQ(answers["c"]["token_ids"], alone("-n 6 --temperature 1.2 --seed 5"));
  EXPECT_TRUE(answers["b"].contains("logprobs"));
  const auto expect = [&](const std::string& setting, int code, const std::string& part) {
    std::ofstream(path("q.jsonl")) << "{\"prompt\": \"x\"}\n{\"prompt\": \"x\", " << setting << "}\n";
    expect_error("generate --prompts q.jsonl", code, {"q.jsonl line 2", part});
  };
  expect(R"("temperature": -1)", 2, "temperature is -1");
  expect(R"("temperature": "hot")", 3, "temperature is \"hot\", not a number");
  expect(R"("temperature": 1, "top_p": 0)", 2, "top_p is 0");
  expect(R"("top_k": 5)", 2, "top_k has no effect");
  expect(R"("seed": -1)", 2, "seed is -1; a whole number from 0 to 4294967295");
  expect(R"("stop": "")", 2, "stop is an empty text");
  expect(R"("stop": [1])", 3, "stop[0] is 1, not a string");
  expect(R"("thinking_budget": -5)", 2, "thinking_budget is -5");
  expect(R"("logprobs": -1)", 2, "logprobs is -1");
  expect(R"("max_new_tokens": 0)", 2, "max_new_tokens is 0");
  expect(R"("warmth": 1)", 3, "warmth is not understood");
}

TEST_F(Cli, SettingsThatMeanNothing) {
  const auto expect = [&](const std::string& flags, const std::string& part) {
    expect_error("generate --prompt x " + flags, 2, {part});
  };
  expect("--temperature nan", "temperature is nan");
  expect("--temperature -1", "temperature is -1");
  expect("--temperature inf", "temperature is inf");
  expect("--temperature warm", "--temperature");
  expect("--temperature 1 --top-p 0", "--top-p is 0");
  expect("--temperature 1 --top-p nan", "--top-p is nan");
  expect("--temperature 1 --min-p 2", "--min-p is 2");
  expect("--temperature 1 --top-k -3", "--top-k is -3");
  expect("--top-k 3", "--top-k has no effect");
  expect("--repetition-penalty 0", "--repetition-penalty is 0");
  expect("--seed -1", "from 0 to 4294967295");
  expect("--seed 4294967296", "from 0 to 4294967295");
  expect("--temperature 1 --top-k 99999999999999999999", "99999999999999999999: a whole number");
  expect("--stop ''", "stop is an empty text");
  expect("--thinking-budget -1", "--thinking-budget is -1");
  expect("--json --logprobs -1", "--logprobs");
  expect("--json --logprobs 1001", "--logprobs");
  expect("--logprobs 3", "--json");
  expect("-n 0", "--max-new-tokens");
  expect_error("generate --random-weights --stop x", 2, {"--stop"});
}

TEST_F(Cli, BoxesAreDrawnOnThePicture) {
  const Result r = glmv(kLocate + "-q --draw boxes.png");
  ASSERT_EQ(r.code, 0) << r.err;
  const Image before = read_image(kPicture), after = read_image(path("boxes.png").string());
  ASSERT_EQ(after.width, before.width);
  ASSERT_EQ(after.height, before.height);
  const Json box = Json::parse(glmv(kLocate + "--json").out)["boxes"][0]["pixels"];
  int64_t left = after.width, right = 0, bottom = 0;  // above the box there is its number
  for (int64_t y = 0; y < after.height; ++y) {
    for (int64_t x = 0; x < after.width; ++x) {
      const auto i = static_cast<size_t>((y * after.width + x) * 3);
      if (std::equal(&after.rgb[i], &after.rgb[i] + 3, &before.rgb[i])) continue;
      left = std::min(left, x), right = std::max(right, x), bottom = std::max(bottom, y);
    }
  }
  EXPECT_NEAR(static_cast<double>(left), box[0].get<double>(), 2);  // line, seam, and rounding to a pixel
  EXPECT_NEAR(static_cast<double>(right), box[2].get<double>(), 2);
  EXPECT_NEAR(static_cast<double>(bottom), box[3].get<double>(), 2);
  const Result none = glmv(kAsk + "-q -n 1 --draw none.png");
  EXPECT_EQ(none.code, 0);
  EXPECT_NE(none.err.find("no box"), std::string::npos) << none.err;
  EXPECT_EQ(read_image(path("none.png").string()).rgb, before.rgb);
}

TEST_F(Cli, WhatCannotBeDrawn) {
  fs::copy_file(kPicture, path("in.png"));
  expect_error("generate --image in.png --prompt x --draw in.png", 2, {"in.png", "would be replaced"});
  fs::create_symlink("in.png", path("link.png"));
  expect_error("generate --image in.png --prompt x --draw link.png", 2, {"link.png"});
  expect_error("generate --image in.png --image in.png --prompt x --draw o.png", 2, {"--draw", "2 pictures"});
  expect_error("generate --prompt x --draw o.png", 2, {"--draw", "0 pictures"});
  expect_error("generate --image in.png --prompt x --draw nowhere/o.png", 3, {"nowhere"});
  expect_error("generate --image in.png --prompt x --draw -", 2, {"--draw \"-\": a picture (PNG) is not written"});
  expect_error("generate --image in.png --prompt x -o o.png --draw o.png", 2, {"--draw and -o"});
  expect_error("generate --random-weights --draw o.png", 2, {"--draw"});
  EXPECT_EQ(read(path("in.png")), read(kPicture));
}

TEST_F(Cli, TheTemplateIsTheSnapshotsOrOneThatIsNamed) {
  fs::copy(kTwin, path("model"));
  std::ofstream(path("chat.json")) << R"([{"role": "user", "content": "Q"}, {"role": "tool", "content": "T"}])";
  const std::string ask = "preprocess --model model --messages chat.json --text ";
  const std::string expected = "[gMASK]<sop><|user|>\nQ<|observation|>\n<tool_response>\nT\n</tool_response>";
  EXPECT_EQ(glmv(ask).out, expected + "<|assistant|>\n");
  EXPECT_EQ(glmv(ask + "--no-think").out.find("<|user|>\nQ/nothink"), 12u);
  std::ofstream(path("model") / "chat_template.jinja") << "{{ messages }}";
  expect_error(ask, 2, {"chat_template.jinja", "not known", "--chat-template"});
  expect_error("generate --model model --prompt x", 2, {"chat_template.jinja"});
  EXPECT_EQ(glmv(ask + "--chat-template glm46v").out, expected + "\n<|assistant|>\n");
  expect_error(ask + "--chat-template glm41v", 2, {"messages[1].role"});
  expect_error("preprocess --prompt x --chat-template glm41v --no-think", 2, {"--no-think", "--thinking-budget"});
  expect_error("preprocess --prompt x --chat-template llama", 2, {"--chat-template"});
  std::ofstream(path("model") / "chat_template.jinja") << "{{ messages ";
  expect_error(ask, 3, {"chat_template.jinja", "without an end"});
}

TEST_F(Cli, InfoPlansMemoryForAContext) {
  const std::string info = "info --model " + kGolden + "moe_a/config.json ";
  const Json j = Json::parse(glmv(info + "--json --context 4096 --sequences 3").out);
  EXPECT_EQ(j["memory"]["kv_cache_bytes"], int64_t{3} * 4096 * j["kv_cache_bytes_per_token"].get<int64_t>());
  EXPECT_EQ(j["memory"]["weights_bytes"], j["published_bytes"]);
  EXPECT_EQ(j["memory"]["total_bytes"],
            j["memory"]["weights_bytes"].get<int64_t>() + j["memory"]["kv_cache_bytes"].get<int64_t>());
  EXPECT_NE(glmv(info + "--context 100").out.find("1 sequence of 100 tokens"), std::string::npos);
  expect_error(info + "--context 4097", 2, {"4097", "4096", "max_position_embeddings"});
  expect_error(info + "--context 0", 2, {"--context"});
}

TEST_F(Cli, ALegacyModelIsRecognisedAndRefused) {
  std::ofstream(path("config.json")) << R"({"model_type": "chatglm", "architectures": ["ChatGLMModel"]})";
  expect_error("info --model config.json", 2, {"config.json", "chatglm", "GLM-4V-9B", "not supported"});
}

}  // namespace
}  // namespace glmv
