#include "eval/answer.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "data/utf8.h"
#include "eval/algorithms.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

constexpr std::string_view kThink = "<think>", kThinkEnd = "</think>";

std::string_view after_thinking(std::string_view text) {
  if (thinking_is_open(text)) return {};
  const size_t end = text.rfind(kThinkEnd);
  return strip(end == std::string_view::npos ? text : text.substr(end + kThinkEnd.size()));
}

/// The last box of what follows the thinking; nothing if there is none.
bool last_box(std::string_view rest, std::string& box) {
  const nlohmann::json boxes = run_algorithm("glm_box_extract", {{"text", std::string(rest)}});
  if (!boxes.is_array() || boxes.empty()) return false;
  box = boxes.back().get<std::string>();
  return true;
}

/// Blocks out; with end tags only, what follows the last one; an unclosed block stays.
std::string without_blocks(std::string text, const std::string& begin, const std::string& end) {
  for (size_t from = 0; (from = text.find(begin, from)) != std::string::npos;) {
    const size_t close = text.find(end, from);
    if (close == std::string::npos) break;
    text.erase(from, close + end.size() - from);
  }
  const size_t close = text.rfind(end);
  if (close != std::string::npos && text.find(begin) == std::string::npos) text.erase(0, close + end.size());
  return text;
}

std::string upper_answer_tag(const std::string& answer) {
  const std::string begin = "<answer>", end = "</answer>";
  const size_t from = answer.find(begin);
  if (from == std::string::npos) return answer;
  const size_t close = answer.find(end, from);
  std::string inside(strip(std::string_view(answer).substr(
      from + begin.size(), close == std::string::npos ? close : close - from - begin.size())));
  std::transform(inside.begin(), inside.end(), inside.begin(),
                 [](unsigned char c) { return static_cast<char>(c < 128 ? std::toupper(c) : c); });
  return inside;
}

}  // namespace

bool thinking_is_open(std::string_view response) {
  const size_t begin = response.rfind(kThink);
  return begin != std::string_view::npos && response.find(kThinkEnd, begin) == std::string_view::npos;
}

std::string reply_for_rule(std::string_view mode, const std::string& response) {
  if (mode == "whole") return response;
  if (mode == "lmms_eval") {
    const std::string text =
        without_blocks(without_blocks(response, "<think>", "</think>"), "<analysis>", "</analysis>");
    return std::string(strip(text));
  }
  std::string rest(after_thinking(response));
  if (mode == "after_think") return rest;
  std::string box;
  const bool boxed = last_box(rest, box);
  if (mode == "box") return boxed ? box : "";
  if (mode == "answer") return boxed ? box : rest;
  if (mode == "answer_tag") return upper_answer_tag(boxed ? box : rest);
  usage_error("\"", mode, "\": not a part of a response that rules look at");
}

}  // namespace glmv::eval
