// The chat template: every row of the published behaviour that does not need tools, as a literal.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "data/chat.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

constexpr const char* kPicture = "<|begin_of_image|><|image|><|end_of_image|>";
constexpr const char* kClip = "<|begin_of_video|><|video|><|end_of_video|>";

ContentPart text(const std::string& value) { return {ContentPart::Kind::text, value}; }
ContentPart image() { return {ContentPart::Kind::image, ""}; }
ContentPart video() { return {ContentPart::Kind::video, ""}; }

Message turn(const std::string& role, std::vector<ContentPart> parts) { return {role, std::move(parts), std::nullopt}; }
Message turn(const std::string& role, const std::string& value) {
  return turn(role, std::vector<ContentPart>{text(value)});
}
Message user(const std::string& value) { return turn("user", value); }
Message user(std::vector<ContentPart> parts) { return turn("user", std::move(parts)); }
Message assistant(const std::string& value) { return turn("assistant", value); }
Message assistant(const std::string& value, const std::string& reasoning) {
  return {"assistant", {text(value)}, reasoning};
}

/// The rendered text after its fixed beginning.
std::string rendered(const std::vector<Message>& messages, ChatOptions options = {}) {
  const std::string all = render_chat(messages, options), head = "[gMASK]<sop>";
  EXPECT_TRUE(all.starts_with(head)) << all;
  return all.substr(head.size());
}
std::string quiet(const std::vector<Message>& messages) { return rendered(messages, {true, false}); }
std::string unprompted(const std::vector<Message>& messages) { return rendered(messages, {false, true}); }

TEST(Chat, SystemAndUser) {
  EXPECT_EQ(rendered({turn("system", "You are helpful."), user("Hi")}),
            "<|system|>\nYou are helpful.<|user|>\nHi<|assistant|>\n");
  EXPECT_EQ(render_chat({}, {false, true}), "[gMASK]<sop>");
}

TEST(Chat, PicturesAndClips) {
  const std::string p = kPicture, c = kClip;
  EXPECT_EQ(rendered({user({image(), text("Describe.")})}), "<|user|>\n" + p + "Describe.<|assistant|>\n");
  EXPECT_EQ(rendered({user({text("a"), image(), text("b")})}), "<|user|>\na" + p + "b<|assistant|>\n");
  EXPECT_EQ(rendered({user({text("Compare"), image(), image()})}), "<|user|>\nCompare" + p + p + "<|assistant|>\n");
  EXPECT_EQ(rendered({user({video(), text("Describe.")})}), "<|user|>\n" + c + "Describe.<|assistant|>\n");
  EXPECT_EQ(rendered({turn("system", {text("S"), image()}), user({video(), image()})}),
            "<|system|>\nS" + p + "<|user|>\n" + c + p + "<|assistant|>\n");
}

TEST(Chat, EarlierReasoningIsDropped) {
  const std::string expected = "<|user|>\nQ1<|assistant|>\n<think></think>\nA1<|user|>\nQ2<|assistant|>\n";
  EXPECT_EQ(rendered({user("Q1"), assistant("<think>\nplan\n</think>\nA1"), user("Q2")}), expected);
  EXPECT_EQ(rendered({user("Q1"), assistant("A1", "plan"), user("Q2")}), expected);
  EXPECT_EQ(rendered({user("Q1"), assistant("A1"), user("Q2")}), expected);
}

TEST(Chat, ReasoningAfterTheLastUserTurnIsKept) {
  const std::string expected = "<|user|>\nQ1<|assistant|>\n<think>plan</think>\nA1";
  EXPECT_EQ(unprompted({user("Q1"), assistant("<think>plan</think>A1")}), expected);
  EXPECT_EQ(unprompted({user("Q1"), assistant(" \n A1 \xC2\xA0\n", "\n plan\xE3\x80\x80\x1F")}), expected);
  EXPECT_EQ(unprompted({assistant("<think>plan</think>A1")}), "<|assistant|>\n<think>plan</think>\nA1");
}

TEST(Chat, WhereReasoningIsCut) {
  const std::string q = "<|user|>\nQ<|assistant|>\n";
  // From the last <think> before the first </think>; the content follows the last </think>.
  EXPECT_EQ(unprompted({user("Q"), assistant("x<think>a<think>b</think>c</think>d")}), q + "<think>b</think>\nd");
  EXPECT_EQ(unprompted({user("Q"), assistant("a</think>b")}), q + "<think>a</think>\nb");
  EXPECT_EQ(unprompted({user("Q"), assistant("<think>cut off")}), q + "<think></think>\n<think>cut off");
  // Given reasoning, even empty, leaves the content whole.
  EXPECT_EQ(unprompted({user("Q"), assistant("<think>a</think>b", "")}), q + "<think></think>\n<think>a</think>b");
  // Blank content writes no newline.
  EXPECT_EQ(unprompted({user("Q"), assistant("<think>a</think> \n ")}), q + "<think>a</think>");
  EXPECT_EQ(unprompted({user("Q"), turn("assistant", std::vector<ContentPart>{})}), q + "<think></think>");
}

TEST(Chat, ThinkingOff) {
  const std::string expected = "<|user|>\nQ1/nothink<|assistant|>\n<think></think>\n", p = kPicture;
  EXPECT_EQ(rendered({user("Q1")}), "<|user|>\nQ1<|assistant|>\n");
  EXPECT_EQ(quiet({user("Q1")}), expected);
  EXPECT_EQ(quiet({user("Q1/nothink")}), expected);
  EXPECT_EQ(quiet({user({text("Q1/no"), text("think")})}), expected);
  EXPECT_EQ(quiet({user({text("Q/nothink"), image()})}),
            "<|user|>\nQ/nothink" + p + "/nothink<|assistant|>\n<think></think>\n");
  EXPECT_EQ(quiet({user("Q/nothink ")}), "<|user|>\nQ/nothink /nothink<|assistant|>\n<think></think>\n");
  EXPECT_EQ(rendered({user("Q1")}, {false, false}), "<|user|>\nQ1/nothink");
  EXPECT_EQ(quiet({turn("system", "S"), user("Q1"), assistant("<think>p</think>A1"), user({image(), text("Q2")})}),
            "<|system|>\nS<|user|>\nQ1/nothink<|assistant|>\n<think></think>\nA1<|user|>\n" + p +
                "Q2/nothink<|assistant|>\n<think></think>\n");
}

TEST(Chat, UserTextStaysAsItIs) {
  EXPECT_EQ(rendered({user("")}), "<|user|>\n<|assistant|>\n");
  EXPECT_EQ(rendered({user("\n a \n")}), "<|user|>\n\n a \n<|assistant|>\n");
  EXPECT_EQ(quiet({user("")}), "<|user|>\n/nothink<|assistant|>\n<think></think>\n");
}

TEST(Chat, UnknownRolesAreRefused) {
  for (const char* role : {"observation", "developer", "User", ""}) {
    try {
      render_chat({user("Q"), turn(role, "x")}, {});
      ADD_FAILURE() << role;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::usage);
      EXPECT_NE(std::string(e.what()).find("messages[1].role"), std::string::npos) << e.what();
    }
  }
}

}  // namespace
}  // namespace glmv
