// crosscheck --endpoint against a scripted server that holds the Hugging Face model's own answers.
#include "eval/endpoint_check.h"

#include "eval_fixture.h"

namespace glmv {
namespace {

const std::string kTwin = kSource + "/data/tiny/glm45v";

class Endpoint : public EvalCli {
 protected:
  /// Runs the check with a server that reveals `shown`.
  Result check(const std::string& shown, const std::string& more = "--no-think") {
    fs::remove(dir_ / "port");  // of a server before
    ::setenv("OPENAI_SERVER_REVEAL", shown.c_str(), 1);
    ::setenv("OPENAI_SERVER_VISUAL", "12", 1);
    const OpenAiServer server(dir_, "");
    ::unsetenv("OPENAI_SERVER_REVEAL");
    ran_ = server.runs();
    if (!ran_) return {};
    return glmv(concat("crosscheck --endpoint ", server.url(), " --model-name twin --image ", kTwin,
                       "/heldout/objects-000-0.png --prompt \"How many circles are there?\" ", more));
  }
  bool ran_ = false;
};

TEST_F(Endpoint, AgreesWithTheHuggingFaceModel) {
  const Result r = check("count,ids", "--no-think --json -o found.json");
  if (!ran_) GTEST_SKIP() << "python3 is missing";
  EXPECT_EQ(r.code, 0) << r.out << r.err;
  const Json found = Json::parse(read(path("found.json")));
  std::map<std::string, Json> by_name;
  for (const Json& f : found["findings"]) by_name[f["what"].get<std::string>()] = f;
  EXPECT_TRUE(by_name["prompt tokens"]["revealed"].get<bool>());
  EXPECT_FALSE(by_name["prompt token ids"]["revealed"].get<bool>()) << "what a server does not tell is not agreed with";
  EXPECT_TRUE(by_name["greedy tokens"]["within"].get<bool>());
  EXPECT_NE(by_name["greedy tokens"]["detail"].get<std::string>().find("4 of 4"), std::string::npos) << found;
}

TEST_F(Endpoint, NamesWhatABrokenServerDoes) {
  Result r = check("unexpanded");
  if (!ran_) GTEST_SKIP() << "python3 is missing";
  EXPECT_EQ(r.code, 1) << r.out;
  EXPECT_NE(r.out.find("as if placeholders of pictures were not expanded"), std::string::npos) << r.out;
  r = check("count,wrong");
  EXPECT_EQ(r.code, 1) << r.out;
  EXPECT_NE(r.out.find("token 1: theirs"), std::string::npos) << r.out;
}

TEST_F(Endpoint, AsksAgainWithoutWishesThatAreRefused) {
  const Result r = check("strict,count");
  if (!ran_) GTEST_SKIP() << "python3 is missing";
  EXPECT_EQ(r.code, 0) << r.out << r.err;
  EXPECT_NE(r.out.find("ids made from the text"), std::string::npos) << r.out;
}

// A server that shows text alone may have taken the marks of a box out of it. Another answer stays another answer.
TEST_F(Endpoint, MarksThatTheTextLacksAreNoDifference) {
  Result r = check("stripped,count");
  if (!ran_) GTEST_SKIP() << "python3 is missing";
  EXPECT_EQ(r.code, 0) << r.out << r.err;
  EXPECT_NE(r.out.find("1 of 1 are our best"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("passed over, as the text shows none: 492 \"<|begin_of_box|>\""), std::string::npos) << r.out;
  r = check("stripped,other,count");
  EXPECT_EQ(r.code, 1) << r.out;
  EXPECT_NE(r.out.find("token 0: theirs"), std::string::npos) << r.out;
  EXPECT_NE(r.out.find("passed over"), std::string::npos) << r.out;
  r = check("no_reasoning,count", "");
  EXPECT_EQ(r.code, 0) << r.out << r.err;
  EXPECT_NE(r.out.find("their text shows no reasoning: what follows is not judged"), std::string::npos) << r.out;
}

TEST_F(Endpoint, SaysWhatCameInsteadOfAnAnswer) {
  const std::pair<const char*, const char*> bodies[] = {{"<html>hi", "HTTP 200, but the reply is not JSON: <html>hi"},
                                                        {"", "HTTP 200, but the reply is empty"},
                                                        {"{}", "has no list choices: {}"},
                                                        {R"({"choices":[]})", "has no choices[0]: {"}};
  for (const auto& [body, said] : bodies) {
    const Result r = check(concat("raw:", body));
    if (!ran_) GTEST_SKIP() << "python3 is missing";
    EXPECT_EQ(r.code, 3) << body << r.out;
    EXPECT_NE(r.err.find(said), std::string::npos) << body << ": " << r.err;
    EXPECT_NE(r.err.find("http://127.0.0.1:"), std::string::npos) << r.err;
  }
}

TEST_F(Endpoint, WorksOnTheFirstStagesWithoutWeights) {
  fs::create_directories(path("bare"));
  for (const fs::directory_entry& e : fs::directory_iterator(kTwin)) {
    if (e.is_regular_file() && e.path().extension() != ".safetensors")
      fs::copy_file(e.path(), path("bare") / e.path().filename());
  }
  const Result r = check("count,ids", "--no-think --model bare");
  if (!ran_) GTEST_SKIP() << "python3 is missing";
  EXPECT_EQ(r.code, 0) << r.out << r.err;
  EXPECT_NE(r.out.find("no weights here"), std::string::npos) << r.out;
  EXPECT_EQ(r.out.find("greedy tokens"), std::string::npos) << r.out;
}

TEST_F(Endpoint, BadInputIsOneClearError) {
  EXPECT_EQ(glmv("crosscheck --endpoint http://127.0.0.1:1/v1 --model-name x").code, 2) << "no prompt";
  EXPECT_EQ(glmv("crosscheck --endpoint 127.0.0.1:1 --model-name x --prompt a").code, 2) << "no protocol";
  for (const char* other : {"--isolate", "--html a.html", "--golden pack", "--mistake rope=even_odd"})
    EXPECT_EQ(glmv(concat("crosscheck --endpoint http://127.0.0.1:1/v1 --model-name x --prompt a ", other)).code, 2)
        << other << " would be dropped";
  const Result r = glmv("crosscheck --endpoint http://127.0.0.1:1/v1 --model-name x --prompt a");
  EXPECT_EQ(r.code, 3) << r.err;
  EXPECT_NE(r.err.find("endpoint http://127.0.0.1:1/v1"), std::string::npos) << r.err;
}

TEST(ParseRevealed, TakesLogprobsAndIdsAsServersWriteThem) {
  const Tokenizer tokenizer = Tokenizer::open(kTwin);
  const std::string body = R"({"choices":[{"message":{"content":"1"},"finish_reason":"stop","token_ids":[492,16],
    "logprobs":{"content":[{"token":"a","bytes":[97],"logprob":-0.5},{"token":"1","bytes":[49],"logprob":-1}]}}],
    "prompt_token_ids":[1,2,3],"usage":{"prompt_tokens":3}})";
  const eval::Revealed r = eval::parse_revealed(body, tokenizer);
  EXPECT_EQ(r.prompt_tokens, 3);
  EXPECT_EQ(*r.prompt_ids, (std::vector<int64_t>{1, 2, 3}));
  ASSERT_EQ(r.tokens.size(), 2u);
  EXPECT_EQ(r.tokens[0].id, 492);
  EXPECT_EQ(*r.tokens[1].logprob, -1);
  for (const char* bad : {"", "{}", R"({"choices":[]})", R"({"choices":[{"message":5}]})"})
    EXPECT_THROW(eval::parse_revealed(bad, tokenizer), Error) << bad;
  // Lists of the wrong things reveal nothing.
  const eval::Revealed odd = eval::parse_revealed(
      R"({"choices":[{"message":{"content":""},"token_ids":["x"],"logprobs":{"content":[5,{"bytes":["q"]}]}}],"prompt_token_ids":{}})",
      tokenizer);
  EXPECT_FALSE(odd.prompt_ids);
}

}  // namespace
}  // namespace glmv
