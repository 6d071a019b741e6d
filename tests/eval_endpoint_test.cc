// A model behind an endpoint: the same questions, byte for byte the same pictures, and servers that misbehave.
#include "eval/endpoint.h"

#include "data/checkpoint.h"

#include "eval_fixture.h"

namespace glmv {
namespace {

constexpr const char* kTwinTasks =
    "twin_text,twin_number,twin_yes_no,twin_choice,twin_box,twin_clip,twin_bars,twin_thinking";

class EvalEndpoint : public EvalCli {
 protected:
  std::string ask(const OpenAiServer& server, const std::string& tasks, const std::string& more = "") const {
    return concat("eval --tasks ", tasks, " --base-url ", server.url(), " --model-name twin --retry-wait 0.01 -o run ",
                  more);
  }
  /// Each task's score is what its manifest says the Hugging Face model has.
  void expect_published(const Json& found, int64_t samples) const {
    int64_t answered = 0;
    for (const auto& [task, result] : found["results"].items()) {
      EXPECT_NEAR(result["published"]["gap"].get<double>(), 0, 1e-4) << task;
      EXPECT_EQ(found["n-samples"][task]["failed"], 0) << task;
      answered += found["n-samples"][task]["answered"].get<int64_t>();
    }
    EXPECT_EQ(answered, samples);
  }
};

TEST_F(EvalEndpoint, GivesTheScoresOfTheHuggingFaceModel) {
  const OpenAiServer server(dir_, "");
  if (!server.runs()) GTEST_SKIP() << "python3 is missing";
  const Result r = glmv(ask(server, kTwinTasks));
  EXPECT_EQ(r.code, 0) << r.err;
  expect_published(results("run"), 123);
  size_t requests = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(path("run/requests"))) {
    const std::string bytes = read(entry.path());
    EXPECT_EQ(entry.path().stem().string(), sha256_hex(bytes.data(), bytes.size()));
    ++requests;
  }
  EXPECT_EQ(requests, 123u) << "the bytes of every request are kept";
}

TEST_F(EvalEndpoint, SurvivesErrorsLimitsSlownessAndBrokenReplies) {
  const OpenAiServer server(dir_, "429,500,broken,nochoices,drop,slow");
  if (!server.runs()) GTEST_SKIP() << "python3 is missing";
  const Result r = glmv(ask(server, kTwinTasks, "--concurrency 8 --timeout 20"));
  EXPECT_EQ(r.code, 0) << r.err;
  expect_published(results("run"), 123);
}

TEST_F(EvalEndpoint, ReasoningThatComesApartIsPutTogether) {
  ::setenv("OPENAI_SERVER_SPLIT", "reasoning", 1);
  const OpenAiServer server(dir_, "");
  ::unsetenv("OPENAI_SERVER_SPLIT");
  if (!server.runs()) GTEST_SKIP() << "python3 is missing";
  EXPECT_EQ(glmv(ask(server, "twin_thinking")).code, 0);
  expect_published(results("run"), 21);
}

TEST_F(EvalEndpoint, FailedRequestsAreCountedAndAskedAgain) {
  {
    const OpenAiServer server(dir_, "always");
    if (!server.runs()) GTEST_SKIP() << "python3 is missing";
    const Result r = glmv(ask(server, "twin_choice", "--tries 2"));
    EXPECT_EQ(r.code, 4) << r.err;
    const Json counts = results("run")["n-samples"]["twin_choice"];
    EXPECT_EQ(counts["failed"], 6);
    EXPECT_EQ(counts["reportable"], false);
    EXPECT_NE(lines("run/responses.jsonl")[0]["error"].get<std::string>().find("HTTP 500"), std::string::npos);
  }
  fs::remove(path("port"));
  const OpenAiServer server(dir_, "");
  std::string again = ask(server, "twin_choice", "--resume");
  // The address is part of what a run is, so the server has to come back at the old one: the record is rewritten.
  Json record = Json::parse(read(path("run/run.json")));
  record["model"]["base_url"] = server.url();
  std::ofstream(path("run/run.json")) << record;
  for (const fs::directory_entry& entry : fs::directory_iterator(path("run"))) {
    if (entry.path().string().ends_with("_results.json")) fs::remove(entry.path());
  }
  EXPECT_EQ(glmv(again).code, 0);
  expect_published(results("run"), 6);
}

TEST_F(EvalEndpoint, ARefusedKeyEndsTheRun) {
  const OpenAiServer server(dir_, "refuse");
  if (!server.runs()) GTEST_SKIP() << "python3 is missing";
  const Result r = shell("OPENAI_API_KEY=secret-of-mine $GLMV " + ask(server, "twin_choice"));
  EXPECT_EQ(r.code, 2) << r.err;
  EXPECT_NE(r.err.find("OPENAI_API_KEY"), std::string::npos) << r.err;
  const Result grep = shell("grep -r secret-of-mine run");
  EXPECT_EQ(grep.code, 1) << "the key is written nowhere: " << grep.out;
}

TEST_F(EvalEndpoint, AnAddressWithNobodyThereIsAFailureThatIsTold) {
  const Result r = glmv("eval --tasks twin_choice --base-url http://127.0.0.1:9/v1 --model-name x --tries 1 -o run");
  EXPECT_EQ(r.code, 4) << r.err;
  EXPECT_NE(lines("run/responses.jsonl")[0]["error"].get<std::string>().find("connect"), std::string::npos);
  EXPECT_NE(r.err.find("failed: 6 x "), std::string::npos) << "equal reasons are counted together: " << r.err;
  EXPECT_NE(r.err.find("connect"), std::string::npos) << r.err;
}

TEST(Completion, IsTakenApartOrRefused) {
  eval::Response r;
  std::string why;
  EXPECT_TRUE(eval::parse_completion(
      R"({"choices":[{"message":{"content":"hi"},"finish_reason":"length"}],"usage":{"prompt_tokens":3,"completion_tokens":4}})",
      r, why));
  EXPECT_EQ(r.text, "hi");
  EXPECT_EQ(r.finish_reason, "length");
  EXPECT_EQ(r.completion_tokens, 4);
  EXPECT_TRUE(eval::parse_completion(R"({"choices":[{"message":{"content":"hi","reasoning_content":"hm"}}]})", r, why));
  EXPECT_EQ(r.text, "<think>hm</think>\nhi");
  EXPECT_TRUE(eval::parse_completion(
      R"({"choices":[{"message":{"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}}]})", r, why));
  EXPECT_EQ(r.text, "ab");
  for (const char* broken :
       {"", "{", "[]", "null", R"({"choices":{}})", R"({"choices":[null]})", R"({"choices":[{"message":"hi"}]})",
        R"({"choices":[{"message":{}}]})", R"({"error":{"message":"x"}})",
        R"({"choices":[{"message":{"content":[{"type":"text","text":5}]}}]})"})
    EXPECT_FALSE(eval::parse_completion(broken, r, why)) << broken;
}

TEST(Completion, ContentThatIsNoTextIsNoAnswer) {
  eval::Response r;
  std::string why;
  const auto parse = [&](const std::string& message, const std::string& finish) {
    return eval::parse_completion(
        concat(R"({"choices":[{"message":)", message, R"(,"finish_reason":")", finish, R"("}]})"), r, why);
  };
  EXPECT_FALSE(parse(R"({"content":5})", "stop"));
  EXPECT_NE(why.find("has the content 5, not a text"), std::string::npos) << why;
  EXPECT_FALSE(parse(R"({"content":null})", "stop"));
  EXPECT_FALSE(parse(R"({"content":null,"tool_calls":[{"id":"x"}]})", "tool_calls"));
  EXPECT_NE(why.find("tool_calls"), std::string::npos) << why;
  EXPECT_TRUE(parse(R"({"content":null,"reasoning_content":"hm"})", "stop")) << "all of it was thinking";
  EXPECT_EQ(r.text, "<think>hm</think>\n");
  EXPECT_TRUE(parse(R"({"content":null})", "length")) << "cut off before the answer began";
  EXPECT_EQ(r.text, "");
}

}  // namespace
}  // namespace glmv
