#include "eval/rule.h"
#include "eval/score_agent.h"
#include "eval/score_code.h"
#include "eval/sequence_matcher.h"

namespace glmv {

using nlohmann::json;

namespace {

template <size_t N>
std::array<double, N> array_of(const JsonNode& list, const char* wanted) {
  const std::vector<double> numbers = numbers_of(list);
  std::array<double, N> out{};
  if (numbers.size() != N) list.refuse(wanted);
  std::copy(numbers.begin(), numbers.end(), out.begin());
  return out;
}

std::array<double, 3> color_of(const JsonNode& list) {
  constexpr double kMost = 255;
  const auto color = array_of<3>(list, "red, green and blue");
  for (const double c : color) {
    if (c < 0 || c > kMost) list.refuse("channels from 0 to 255");
  }
  return color;
}

std::vector<PageBlock> blocks_of(const JsonNode& list) {
  std::vector<PageBlock> out;
  for (const JsonNode& b : list.list())
    out.push_back({b.at("text").text(), array_of<4>(b.at("bbox"), "x, y, width and height"), color_of(b.at("color"))});
  return out;
}

json blocks(const JsonNode& in) {
  const BlockScores s = design2code_blocks(blocks_of(in.at("predicted_blocks")), blocks_of(in.at("reference_blocks")));
  return {{"block", s.block}, {"text", s.text}, {"position", s.position}, {"color", s.color}, {"matched", s.matched}};
}

json pass_at(const JsonNode& in) {
  constexpr int64_t kMostDraws = 1'000'000;
  const JsonNode n = in.at("n"), c = in.at("c"), k = in.at("k");
  if (n.integer() < 0 || n.integer() > kMostDraws) n.refuse("from 0 to 1000000");
  if (c.integer() < 0 || c.integer() > n.integer()) c.refuse("from 0 to n");
  if (k.integer() < 0) k.refuse("0 or more");
  return pass_at_k(n.integer(), c.integer(), k.integer());
}

json success_rate(const JsonNode& in) {
  std::vector<Episode> episodes;
  for (const JsonNode& e : in.at("episodes").list()) {
    episodes.push_back({mark_of(e.at("done")) != 0, share_of(e.at("success"))});
  }
  return androidworld_success_rate(episodes);
}

json number_of(const std::string& digits) {
  const json number = json::parse(digits, nullptr, false);
  return number.is_discarded() ? json(digits) : number;
}

json osworld(const JsonNode& in) {
  const auto action = osworld_action_parse(in.at("response").text());
  if (!action) return nullptr;
  json out = {{"action_type", action->type}};
  const auto place = [](const std::array<std::string, 2>& p) { return json{number_of(p[0]), number_of(p[1])}; };
  const bool drag = action->end.has_value();
  if (action->start) out[drag ? "start_coordinates" : "coordinates"] = place(*action->start);
  if (drag) out["end_coordinates"] = place(*action->end);
  if (action->step) out["step"] = number_of(*action->step);
  for (const auto& [key, text] : action->texts) out[key] = text;
  return out;
}

JsonNode object_at(const JsonNode& in, const char* key) {
  JsonNode node = in.at(key);
  node.expect_object();
  return node;
}

}  // namespace

std::vector<Rule> code_rules() {
  return {
      {"design2code_blocks", "area, text, position and colour of matched text blocks", "authors", blocks},
      {"ciede2000_similarity", "1 - CIEDE2000 / 100 of two sRGB colours", "authors",
       [](const JsonNode& in) -> json {
         return ciede2000_similarity(color_of(in.at("rgb1")), color_of(in.at("rgb2")));
       }},
      {"sequence_matcher_ratio", "difflib's ratio of two texts", "CPython",
       [](const JsonNode& in) -> json { return sequence_matcher_ratio(in.at("a").text(), in.at("b").text()); }},
      {"design2code_cleanup", "the page in a reply", "VLMEvalKit",
       [](const JsonNode& in) -> json { return design2code_cleanup(in.at("response").text()); }},
      {"pass_at_k", "chance that one of k draws out of n, c right, is right", "HumanEval", pass_at},
  };
}

std::vector<Rule> agent_rules() {
  return {
      {"androidworld_action_parse", "the object between the box tokens; null if there is none", "GLM-V",
       [](const JsonNode& in) { return androidworld_action_parse(in.at("response").text()); }},
      {"androidworld_step_reward", "product over fields of equality, text and box overlap", "GLM-V",
       [](const JsonNode& in) -> json {
         return androidworld_step_reward(object_at(in, "ground_truth").value, object_at(in, "predicted").value);
       }},
      {"androidworld_success_rate", "mean success of episodes that the agent ended", "authors", success_rate},
      {"osworld_action_parse", "name, coordinates and texts of one call; null if rejected", "GLM-V", osworld},
      {"osworld_mean_score", "percent: the mean of evaluator scores", "authors",
       [](const JsonNode& in) -> json {
         std::vector<double> scores;
         for (const JsonNode& score : in.at("task_scores").list()) scores.push_back(share_of(score));
         return osworld_mean_score(scores);
       }},
  };
}

}  // namespace glmv
