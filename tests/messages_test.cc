// Conversations from JSON: every shape of a content part, and one clear error for each that is not understood.
#include "data/messages.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "data/json_file.h"
#include "reference/core/error.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;

class Messages : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / concat("glmv-messages-", ::getpid());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  Conversation read(const std::string& json) const {
    const fs::path file = folder_ / "chat.json";
    std::ofstream(file, std::ios::binary) << json;
    return read_messages(file.string());
  }
  /// The message of the Error that `json` must be; its exit code must be `code`.
  std::string error(const std::string& json, ExitCode code) const {
    try {
      read(json);
    } catch (const Error& e) {
      EXPECT_EQ(static_cast<int>(e.code()), static_cast<int>(code)) << e.what();
      return e.what();
    }
    ADD_FAILURE() << "no error for " << json;
    return "";
  }
  std::string in_folder(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
};

TEST_F(Messages, TextIsAStringOrAPart) {
  const Conversation c = read(R"([{"role": "system", "content": "S"},
                                 {"role": "user", "content": [{"type": "text", "text": "Q"}]},
                                 {"role": "assistant", "content": "A", "reasoning_content": "R"}])");
  ASSERT_EQ(c.messages.size(), 3u);
  EXPECT_EQ(c.messages[0].role, "system");
  EXPECT_EQ(c.messages[1].content[0].text, "Q");
  EXPECT_FALSE(c.messages[1].reasoning.has_value());
  EXPECT_EQ(c.messages[2].reasoning, "R");
  EXPECT_EQ(render_chat(c.messages, {}),
            "[gMASK]<sop><|system|>\nS<|user|>\nQ<|assistant|>\n<think>R</think>\nA<|assistant|>\n");
}

TEST_F(Messages, MediaKeepTheirOrderAndAreFoundBesideTheFile) {
  const Conversation c = read(R"({"messages": [{"role": "user", "content": [
      {"type": "image", "image": "a.png"}, {"type": "video", "video": "clip"}, {"type": "text", "text": "Q"},
      {"type": "image_url", "image_url": {"url": "file:///b.jpg"}}, {"type": "image", "url": "/c.png"},
      {"type": "image_url", "image_url": "d.png"}, {"type": "image", "path": "e.png"}]}]})");
  EXPECT_EQ(c.images,
            (std::vector<std::string>{in_folder("a.png"), "/b.jpg", "/c.png", in_folder("d.png"), in_folder("e.png")}));
  EXPECT_EQ(c.videos, std::vector<std::string>{in_folder("clip")});
  ASSERT_EQ(c.messages[0].content.size(), 7u);
  EXPECT_EQ(c.messages[0].content[1].kind, ContentPart::Kind::video);
  EXPECT_EQ(c.messages[0].content[3].kind, ContentPart::Kind::image);
}

TEST_F(Messages, FileUrlsAreDecodedAndPathsAreNot) {
  const Conversation c = read(R"([{"role": "user", "content": [
      {"type": "image", "url": "file:///a%20b%C3%a9.png"}, {"type": "image", "path": "a%20b.png"}]}])");
  EXPECT_EQ(c.images, (std::vector<std::string>{"/a b\u00e9.png", in_folder("a%20b.png")}));
}

TEST_F(Messages, WhatIsNotUnderstoodIsNamed) {
  const auto expect = [&](const std::string& json, ExitCode code, const std::string& part) {
    const std::string said = error(json, code);
    EXPECT_NE(said.find(part), std::string::npos) << said;
    EXPECT_NE(said.find("chat.json"), std::string::npos) << said;
  };
  const auto user = [](const std::string& content) { return R"([{"role": "user", "content": )" + content + "}]"; };
  expect("[", ExitCode::bad_input, "not valid JSON");
  expect("[]", ExitCode::bad_input, "empty");
  expect("{}", ExitCode::bad_input, "messages is missing");
  expect("[1]", ExitCode::bad_input, "messages[0] is 1, not an object");
  expect(R"([{"content": "x"}])", ExitCode::bad_input, "role is missing");
  expect(R"([{"role": "user"}])", ExitCode::bad_input, "content is missing");
  expect(R"([{"role": "user", "role": "user", "content": "x"}])", ExitCode::bad_input, "role appears twice");
  expect(R"([{"role": "developer", "content": "x"}])", ExitCode::usage, R"(messages[0].role is "developer")");
  expect(R"([{"role": "user", "content": "", "tool_calls": []}])", ExitCode::usage, "tool_calls");
  const auto call = [](const std::string& one) {
    return R"([{"role": "assistant", "content": "", "tool_calls": [)" + one + "]}]";
  };
  expect(call("7"), ExitCode::bad_input, "tool_calls[0] is 7, not an object");
  expect(call(R"({"function": {"name": "f"}})"), ExitCode::bad_input, "function: arguments is missing");
  expect(call(R"({"function": {"arguments": {}}})"), ExitCode::bad_input, "name is missing");
  expect(call(R"({"function": {"name": "f", "arguments": "{}"}})"), ExitCode::bad_input, "parse it first");
  expect(call(R"({"function": {"name": "f", "arguments": [1]}})"), ExitCode::bad_input, "not an object");
  expect(R"([{"role": "assistant", "content": null, "tool_calls": []}])", ExitCode::bad_input, "content is missing");
  expect(R"({"messages": [{"role": "user", "content": "x"}], "tools": 1})", ExitCode::bad_input, "tools is 1");
  expect(R"({"messages": [{"role": "user", "content": "x"}], "tools": ["f"]})", ExitCode::bad_input, "tools[0]");
  expect(R"([{"role": "tool", "content": [{"output": 7}]}])", ExitCode::bad_input, "output is 7, not a string");
  expect(user("7"), ExitCode::bad_input, "messages[0].content is 7, not a string");
  expect(user(R"(["x"])"), ExitCode::bad_input, "content[0] is \"x\", not an object");
  expect(user(R"([{"text": "x"}])"), ExitCode::bad_input, "content[0]: type is missing");
  expect(user(R"([{"type": "text"}])"), ExitCode::bad_input, "content[0]: text is missing");
  expect(user(R"([{"type": "audio"}])"), ExitCode::usage, R"(content[0].type is "audio")");
  expect(user(R"([{"type": "image"}])"), ExitCode::bad_input, "content[0]: image is missing");
  expect(user(R"([{"type": "image", "image": ""}])"), ExitCode::bad_input, "content[0].image is empty");
  expect(user(R"([{"type": "image", "url": "https://x.org/a.png"}])"), ExitCode::usage, "https: URL");
  expect(user(R"([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}])"), ExitCode::usage,
         "data: URL");
  expect(user(R"([{"type": "image", "url": "file:///a%2"}])"), ExitCode::bad_input, "% without two hex digits");
  expect(user(R"([{"type": "image", "url": "file:///a%zz"}])"), ExitCode::bad_input, "% without two hex digits");
  expect(user(R"([{"type": "image", "url": "file:///a%00"}])"), ExitCode::bad_input, "% without two hex digits");
  EXPECT_THROW(read_messages(in_folder("absent.json")), Error);
}

}  // namespace
}  // namespace glmv
