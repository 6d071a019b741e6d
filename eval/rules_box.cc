#include <cmath>

#include "eval/rule.h"
#include "eval/score_box.h"
#include "eval/score_point.h"

namespace glmv {

using nlohmann::json;

namespace {

Box box_of(const JsonNode& list) {
  const std::vector<double> numbers = numbers_of(list);
  Box box{};
  if (numbers.size() != box.size()) list.refuse("four numbers");
  std::copy(numbers.begin(), numbers.end(), box.begin());
  return box;
}

std::pair<double, double> place_of(const JsonNode& list) {
  const std::vector<double> numbers = numbers_of(list);
  const bool is_place = numbers.size() == 2 && std::abs(numbers[0]) <= 90 && std::abs(numbers[1]) <= 180;
  if (!is_place) list.refuse("latitude (up to 90) and longitude (up to 180)");
  return {numbers[0], numbers[1]};
}

json refcoco(const JsonNode& in) {
  const RefcocoItem r = refcoco_item(in.at("prediction").text(), in.at("width").number(), in.at("height").number(),
                                     box_of(in.at("gt_xyxy")));
  return {{"pred", r.box ? json(*r.box) : json(nullptr)}, {"iou", r.iou}, {"hit", r.hit ? 1 : 0}};
}

json refcoco_macro(const JsonNode& in) {
  const JsonNode splits = in.at("hits_by_split");
  splits.expect_object();
  double sum = 0;
  for (const auto& [name, hits] : splits.value.items()) {
    const JsonNode list{hits, concat(splits.where, '.', name)};
    const std::vector<int> marks = marks_of(list);
    if (marks.empty()) list.refuse("a list with a hit or a miss");
    double right = 0;
    for (const int mark : marks) right += mark;
    sum += 100 * right / static_cast<double>(marks.size());
  }
  return splits.value.empty() ? 0 : sum / static_cast<double>(splits.value.size());
}

json ref_l4(const JsonNode& in) {
  const JsonNode pairs = in.at("gt_pred_xyxy_pairs");
  std::vector<std::pair<Box, Box>> boxes;
  for (const JsonNode& pair : pairs.list()) {
    const std::vector<JsonNode> both = pair.list();
    if (both.size() != 2) pair.refuse("a gold and a predicted box");
    boxes.emplace_back(box_of(both[0]), box_of(both[1]));
  }
  if (boxes.empty()) pairs.refuse("a list with a pair");
  const RefL4Accuracy a = ref_l4_accuracy(boxes);
  return {{"acc50", a.acc50}, {"acc75", a.acc75}, {"acc90", a.acc90}, {"macc", a.macc}};
}

json geobench(const JsonNode& in) {
  const auto point = geobench_parse(in.at("response").text());
  if (!point) return nullptr;
  return {{"country", point->country}, {"lat", point->latitude}, {"lng", point->longitude}};
}

json geobench_points_and_percent(const JsonNode& in) {
  const JsonNode distance = in.at("distance_km"), scale = in.at("scale_km");
  if (distance.number() < 0) distance.refuse("a distance");
  if (scale.number() <= 0) scale.refuse("a size above 0");
  const double points = geobench_points(distance.number(), scale.number());
  return {{"points", static_cast<int>(points)}, {"percent", points / 50}};
}

json geobench_mean(const JsonNode& in) {
  std::vector<std::optional<double>> scores;
  for (const JsonNode& score : in.at("scores").list())
    scores.push_back(score.value.is_null() ? std::nullopt : std::optional(score.number()));
  const GeoAverage a = geobench_average(scores);
  const auto number = [](const std::optional<double>& x) { return x ? json(*x) : json(nullptr); };
  return {{"average", number(a.average)}, {"percent", number(a.percent)}, {"refusal_rate", a.refusal_rate}};
}

}  // namespace

std::vector<Rule> box_rules() {
  return {
      {"box_iou_xyxy", "intersection over union; 0 for no union", "definition",
       [](const JsonNode& in) -> json { return box_iou_xyxy(box_of(in.at("a")), box_of(in.at("b"))); }},
      {"refcoco_item", "the box of a reply in pixels, its overlap, hit from one half on", "VLMEvalKit", refcoco},
      {"refcoco_macro_average", "mean over splits of the percentage of hits", "VLMEvalKit", refcoco_macro},
      {"refcoco_lmms_parse", "the first [a, b, c, d] of plain decimals, else zeros", "lmms-eval",
       [](const JsonNode& in) -> json { return refcoco_lmms_parse(in.at("prediction").text()); }},
      {"ref_l4_accuracy", "percent of overlaps above 0.5, 0.75, 0.9, and the mean over 0.50 ... 0.95", "authors",
       ref_l4},
      {"treebench_iou", "mean over targets of the best overlap with a valid <box>", "VLMEvalKit",
       [](const JsonNode& in) -> json {
         std::vector<Box> targets;
         for (const JsonNode& target : in.at("targets").list()) targets.push_back(box_of(target));
         return treebench_iou(in.at("text").text(), targets);
       }},
  };
}

std::vector<Rule> point_rules() {
  return {
      {"geobench_parse", "country, latitude and longitude from three lines; null if rejected", "authors", geobench},
      {"geobench_distance", "great-circle distance in km", "haversine",
       [](const JsonNode& in) -> json {
         const auto [lat_a, lng_a] = place_of(in.at("a"));
         const auto [lat_b, lng_b] = place_of(in.at("b"));
         return geobench_distance(lat_a, lng_a, lat_b, lng_b);
       }},
      {"geobench_points", "5000 within 25 m, falling with distance over the map's size", "authors",
       geobench_points_and_percent},
      {"geobench_average", "mean of accepted replies, the rate of refusals beside it", "authors", geobench_mean},
  };
}

}  // namespace glmv
