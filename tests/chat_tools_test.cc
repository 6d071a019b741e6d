// Tools, and the templates of GLM-4.6V and GLM-4.1V: the published behaviour as literals, from JSON to text.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/chat_template.h"
#include "data/jinja_outline.h"
#include "data/messages.h"
#include "data/python_json.h"
#include "reference/core/error.h"

namespace glmv {
namespace {
namespace fs = std::filesystem;

const std::string kPicture = "<|begin_of_image|><|image|><|end_of_image|>";
const std::string kClip = "<|begin_of_video|><|video|><|end_of_video|>";

/// What a conversation in JSON becomes.
std::string rendered(const std::string& json, ChatOptions options = {}) {
  const fs::path file = fs::path(testing::TempDir()) / concat("glmv-chat-", ::getpid(), ".json");
  std::ofstream(file, std::ios::binary) << json;
  const Conversation c = read_messages(file.string());
  fs::remove(file);
  options.tools = c.tools;
  return render_chat(c.messages, options);
}
std::string rendered(const std::string& json, ChatTemplate chat_template, bool think = true) {
  return rendered(json, ChatOptions{true, think, chat_template});
}
std::string refused(const std::string& json, ChatTemplate chat_template) {
  try {
    rendered(json, chat_template);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::usage) << e.what();
    return e.what();
  }
  ADD_FAILURE() << json;
  return "";
}

const std::string kTool =
    "{\"type\":\"function\",\"function\":{\"name\":\"get_weather\",\"description\":\"\u67e5\u8be2\u5929\u6c14 <b>\","
    "\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"},\"days\":{\"type\":\"integer\"}"
    "},"
    "\"required\":[\"city\"]}}}";
const std::string kPreamble =
    "[gMASK]<sop><|system|>\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n"
    "{\"type\": \"function\", \"function\": {\"name\": \"get_weather\", \"description\": \"\u67e5\u8be2\u5929\u6c14 "
    "<b>\", \"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\"}, \"days\": "
    "{\"type\": \"integer\"}}, \"required\": [\"city\"]}}}\n</tools>\n\n"
    "For each function call, output the function name and arguments within the following XML format:\n"
    "<tool_call>{function-name}\n<arg_key>{arg-key-1}</arg_key>\n<arg_value>{arg-value-1}</arg_value>\n"
    "<arg_key>{arg-key-2}</arg_key>\n<arg_value>{arg-value-2}</arg_value>\n...\n</tool_call><|system|>\nS<|user|>\n"
    "Weather?<|assistant|>\n";
const std::string kQuestion = R"({"role": "system", "content": "S"}, {"role": "user", "content": "Weather?"})";

std::string with_tool(const std::string& messages) {
  return "{\"messages\": [" + messages + "], \"tools\": [" + kTool + "]}";
}

TEST(ChatTools, ThePreamble) {
  EXPECT_EQ(rendered(with_tool(kQuestion)), kPreamble);
  EXPECT_EQ(rendered(with_tool(kQuestion), ChatTemplate::glm46v), kPreamble);
  EXPECT_EQ(rendered(R"({"messages": [{"role": "user", "content": "Q"}], "tools": []})"),
            "[gMASK]<sop><|user|>\nQ<|assistant|>\n");
}

TEST(ChatTools, ARoundTrip) {
  const std::string json = with_tool(kQuestion + R"(,
      {"role": "assistant", "content": "", "reasoning_content": "call it", "tool_calls": [
        {"function": {"name": "get_weather", "arguments": {"city": "北京", "days": 2}}},
        {"name": "get_weather", "arguments": {"city": "Rome", "days": 1, "opts": {"a": [1, true, null]}}}]},
      {"role": "tool", "content": "sunny"}, {"role": "tool", "content": "rain"})");
  const std::string calls =
      "<think>call it</think>\n<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>北京</arg_value>\n"
      "<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>\n"
      "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Rome</arg_value>\n"
      "<arg_key>days</arg_key>\n<arg_value>1</arg_value>\n<arg_key>opts</arg_key>\n"
      "<arg_value>{\"a\": [1, true, null]}</arg_value>\n</tool_call><|observation|>\n";
  const std::string sunny = "<tool_response>\nsunny\n</tool_response>",
                    rain = "<tool_response>\nrain\n</tool_response>";
  EXPECT_EQ(rendered(json), kPreamble + calls + sunny + "\n" + rain + "<|assistant|>\n");
  // A slip of white space in GLM-4.6V's template: a newline more after a string.
  EXPECT_EQ(rendered(json, ChatTemplate::glm46v), kPreamble + calls + sunny + "\n\n" + rain + "\n<|assistant|>\n");
}

TEST(ChatTools, CallsWithoutArgumentsAndWithoutContent) {
  const std::string json = R"([{"role": "user", "content": "Q"},
                               {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}])";
  EXPECT_EQ(rendered(json, ChatOptions{false}),
            "[gMASK]<sop><|user|>\nQ<|assistant|>\n<think></think>\n<tool_call>f\n</tool_call>");
}

TEST(ChatTools, ListsOfOutputs) {
  const std::string q = R"([{"role": "user", "content": "Q"}, )";
  const std::string head = "[gMASK]<sop><|user|>\nQ<|observation|>\n<tool_response>\n";
  const std::string two = q + R"({"role": "tool", "content": [{"output": "a"}, "b"]},
                                 {"role": "tool", "content": [{"output": "c"}]}])";
  EXPECT_EQ(rendered(two), head +
                               "a\n</tool_response>\n<tool_response>\nb\n</tool_response><|observation|>\n"
                               "<tool_response>\nc\n</tool_response><|assistant|>\n");
  EXPECT_EQ(rendered(two, ChatTemplate::glm46v),
            head + "ab\n</tool_response>\n<tool_response>\nc\n</tool_response><|assistant|>\n");
  const std::string media = q + R"({"role": "tool", "content": [{"type": "text", "text": "T"},
      {"type": "image", "path": "a.png"}, {"type": "video", "path": "v"}]}, {"role": "tool", "content": "z"}])";
  EXPECT_EQ(
      rendered(media, ChatTemplate::glm46v),
      head + "T" + kPicture + kClip + "\n</tool_response>\n<tool_response>\nz\n</tool_response>\n<|assistant|>\n");
  EXPECT_NE(refused(media, ChatTemplate::glm45v).find("messages[1].content"), std::string::npos);
}

TEST(Chat41, WritesHistoryAsItIs) {
  constexpr ChatTemplate kOld = ChatTemplate::glm41v;
  EXPECT_EQ(rendered(R"([{"role": "system", "content": "You are helpful."}, {"role": "user", "content": "Hi"}])", kOld),
            "[gMASK]<sop><|system|>\nYou are helpful.<|user|>\nHi<|assistant|>\n");
  for (const auto& [type, tokens] : {std::pair<std::string, std::string>{"image", kPicture}, {"video", kClip}}) {
    EXPECT_EQ(rendered(R"([{"role": "user", "content": [{"type": ")" + type + R"(", "path": "x"},
                           {"type": "text", "text": "Describe."}]}])",
                       kOld),
              "[gMASK]<sop><|user|>\n" + tokens + "Describe.<|assistant|>\n");
  }
  const std::string history = R"([{"role": "user", "content": "Q1"},
      {"role": "assistant", "content": "<think>\nplan\n</think>\nA1", "reasoning_content": "not shown"},
      {"role": "user", "content": "Q2"}])";
  for (const bool think : {true, false}) {
    EXPECT_EQ(rendered(history, kOld, think),
              "[gMASK]<sop><|user|>\nQ1<|assistant|>\n<think>\nplan\n</think>\nA1<|user|>\nQ2<|assistant|>\n");
  }
  EXPECT_EQ(rendered(R"([{"role": "assistant", "content": "content", "metadata": "m"}])", kOld),
            "[gMASK]<sop><|assistant|>m\ncontent<|assistant|>\n");
}

TEST(Chat41, WhatItWouldDropIsRefused) {
  constexpr ChatTemplate kOld = ChatTemplate::glm41v;
  EXPECT_NE(refused(with_tool(kQuestion), kOld).find("tools"), std::string::npos);
  EXPECT_NE(refused(R"([{"role": "tool", "content": "x"}])", kOld).find("messages[0].role"), std::string::npos);
  EXPECT_NE(refused(R"([{"role": "assistant", "content": "x", "tool_calls": [{"name": "f", "arguments": {}}]}])", kOld)
                .find("messages[0].tool_calls"),
            std::string::npos);
  EXPECT_NE(refused(R"([{"role": "system", "content": [{"type": "text", "text": "x"}]}])", kOld).find("is a list"),
            std::string::npos);
  EXPECT_NE(
      refused(R"([{"role": "assistant", "content": "x", "metadata": "m"}])", ChatTemplate::glm45v).find("GLM-4.5V"),
      std::string::npos);
}

TEST(PythonJson, NumbersLookLikePythons) {
  for (const auto& [value, text] :
       std::initializer_list<std::pair<double, const char*>>{{1.0, "1.0"},
                                                             {-0.0, "-0.0"},
                                                             {1e20, "1e+20"},
                                                             {1e16, "1e+16"},
                                                             {1e15, "1000000000000000.0"},
                                                             {0.1, "0.1"},
                                                             {1e-4, "0.0001"},
                                                             {1.5e-5, "1.5e-05"},
                                                             {123456.75, "123456.75"},
                                                             {-2.5e-300, "-2.5e-300"},
                                                             {0.0, "0.0"},
                                                             {9007199254740993.0, "9007199254740992.0"},
                                                             {1.7976931348623157e308, "1.7976931348623157e+308"}}) {
    EXPECT_EQ(python_float(value), text);
  }
  const char* json = R"({"z": [1, -2, 1.50, true, null, "é\n\u0001\"\\/"], "a": {}, "e": []})";
  EXPECT_EQ(python_json(nlohmann::ordered_json::parse(json)),
            R"({"z": [1, -2, 1.5, true, null, "é\n\u0001\"\\/"], "a": {}, "e": []})");
}

// ---- Recognising a template

TEST(JinjaOutline, LayoutDoesNotCount) {
  const std::string plain = "A{%if x is string%}B{{'c'+y}}{%endif%}\n";
  const std::string outline = jinja_outline(plain);
  for (const std::string same : {
           "A{%- if x is string -%}\n  B{{ \"c\" + y }}{% endif %}",
           "{# a comment #}A{% if  x  is\n string %}\nB{{- 'c' + y -}}\n\n   {% endif %}",
           "A{%- if x is string %}\n{# }} ' #}\nB{{'c'+ y}}{%- endif -%}   ",
       }) {
    EXPECT_EQ(jinja_outline(same), outline) << same;
  }
  for (const std::string other : {
           "A{%if x is string%}B{{'c'+y}}{%endif%} \n",
           "A {%if x is string%}B{{'c'+y}}{%endif%}",
           "A{%if x is string%}B{{'c '+y}}{%endif%}",
           "A{%if x isstring%}B{{'c'+y}}{%endif%}",
           "A{%if x is string%}B{{'c'+y}}{%endif%}C",
           "A{%if x is string%} B{{'c'+y}}{%endif%}",
           "A{%if x is string%}B\n{{'c'+y}}{%endif%}",
       }) {
    EXPECT_NE(jinja_outline(other), outline) << other;
  }
  EXPECT_EQ(jinja_outline("a\n  {% x %}\nb"), jinja_outline("a\n{%x%}b")) << "lstrip_blocks, trim_blocks";
  EXPECT_NE(jinja_outline("a\n  {%+ x %}\nb"), jinja_outline("a\n{%x%}b"));
  EXPECT_NE(jinja_outline("a\n  {{ x }}\nb"), jinja_outline("a\n{{x}}b"));
  for (const char* open : {"{% if", "{{ '}}", "a {# b"}) EXPECT_THROW(jinja_outline(open), Error) << open;
}

class Template : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(testing::TempDir()) / concat("glmv-template-", ::getpid());
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(dir_ / name) << text; }
  ChatTemplate found(Family family = Family::moe, const std::string& processor = "") const {
    ModelConfig config;
    config.family = family;
    return find_chat_template(dir_.string(), config, processor);
  }
  std::string error() const {
    try {
      found();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::usage);
      return e.what();
    }
    ADD_FAILURE();
    return "";
  }
  fs::path dir_;
};

TEST_F(Template, ASnapshotsOwnIsRecognisedOrRefused) {
  std::ifstream in(GLMV_SOURCE_DIR "/data/tiny/glm45v/chat_template.jinja");
  const std::string own{std::istreambuf_iterator<char>(in), {}};
  write("chat_template.jinja", own);
  EXPECT_EQ(found(Family::dense, "Glm46VProcessor"), ChatTemplate::glm45v) << "what it is, not what it should be";
  write("chat_template.jinja", "{# other layout #}" + own + "\n");
  EXPECT_EQ(found(), ChatTemplate::glm45v);
  std::string changed = own;
  changed.replace(changed.find("/nothink"), 8, "/no_think");
  write("chat_template.jinja", changed);
  const std::string said = error();
  for (const char* part : {"chat_template.jinja", "not known", "--chat-template", "bytes"}) {
    EXPECT_NE(said.find(part), std::string::npos) << said;
  }
}

TEST_F(Template, TheDenseTwinsOwnIsGlm41vs) {
  std::ifstream in(GLMV_SOURCE_DIR "/data/tiny/glm41v/chat_template.jinja");
  write("chat_template.jinja", {std::istreambuf_iterator<char>(in), {}});
  EXPECT_EQ(found(Family::moe), ChatTemplate::glm41v) << "what it is, not what it should be";
}

TEST_F(Template, WhereItIsLookedFor) {
  EXPECT_EQ(found(), ChatTemplate::glm45v);
  EXPECT_EQ(found(Family::dense), ChatTemplate::glm41v);
  EXPECT_EQ(found(Family::dense, "Glm46VProcessor"), ChatTemplate::glm46v);
  write("tokenizer_config.json", "{}");
  EXPECT_EQ(found(), ChatTemplate::glm45v);
  write("tokenizer_config.json", R"({"chat_template": "{{ x }}"})");
  EXPECT_NE(error().find("tokenizer_config.json: chat_template"), std::string::npos);
  write("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "{{ x }}"}]})");
  EXPECT_NE(error().find("chat_template[0]"), std::string::npos);
  write("chat_template.json", R"({"chat_template": "{{ y }}"})");
  EXPECT_NE(error().find("chat_template.json"), std::string::npos);
  write("chat_template.json", R"({"chat_template": 7})");
  EXPECT_THROW(found(), Error);
}

}  // namespace
}  // namespace glmv
