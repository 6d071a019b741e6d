#include "eval/score_box.h"

#include <algorithm>
#include <cmath>

#include "eval/number.h"
#include "eval/regex.h"
#include "eval/text.h"

namespace glmv {
namespace {

using py::Regex;

double area(const Box& b) { return std::max(b[2] - b[0], 0.0) * std::max(b[3] - b[1], 0.0); }

Box groups_of(const py::Match& m) {
  Box box{};
  for (size_t i = 0; i < box.size(); ++i) box[i] = *py::to_float(m.group(i + 1));
  return box;
}

std::optional<Box> refcoco_box(std::string_view text) {
  static const std::string number = R"([-+]?\d*\.?\d+(?:[eE][-+]?\d+)?)", between = R"((?:\s*,\s*|\s+))";
  static const Regex bracketed(R"(\[\s*()" + number + ")" + between + "(" + number + ")" + between + "(" + number +
                               ")" + between + "(" + number + R"()\s*\])");
  static const Regex any(number);
  if (const auto m = bracketed.search(text)) return groups_of(*m);
  Box box{};
  size_t found = 0;
  for (size_t from = 0; found < box.size(); ++found) {
    const auto m = any.search(text, from);
    if (!m) return std::nullopt;
    box[found] = *py::to_float(m->group());
    from = m->end();
  }
  return box;
}

/// Fractions up to 1.5, thousandths up to 1000, pixels beyond; inside the picture, corners in order.
Box in_picture(Box box, double width, double height) {
  constexpr double kMostFraction = 1.5, kMostThousandths = 1000;
  double most = 0;
  for (const double c : box) most = std::max(most, std::abs(c));
  const bool fractions = most <= kMostFraction, thousandths = !fractions && most <= kMostThousandths;
  for (size_t i = 0; i < box.size(); ++i) {
    const double size = i % 2 == 0 ? width : height;
    if (fractions) box[i] *= size;
    if (thousandths) box[i] = box[i] / kMostThousandths * size;
    box[i] = std::clamp(box[i], 0.0, size);
  }
  if (box[2] < box[0]) std::swap(box[0], box[2]);
  if (box[3] < box[1]) std::swap(box[1], box[3]);
  return box;
}

float float_iou(const Box& gold, const Box& predicted) {
  std::array<float, 4> a{}, b{};
  for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(gold[i]), b[i] = static_cast<float>(predicted[i]);
  const float width = std::max(std::min(a[2], b[2]) - std::max(a[0], b[0]), 0.0F);
  const float height = std::max(std::min(a[3], b[3]) - std::max(a[1], b[1]), 0.0F);
  const float both = width * height;
  const float all = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both;
  constexpr float kLeastUnion = 1e-6F;
  return both / std::max(all, kLeastUnion);
}

}  // namespace

double box_iou_xyxy(const Box& a, const Box& b) {
  const double width = std::min(a[2], b[2]) - std::max(a[0], b[0]),
               height = std::min(a[3], b[3]) - std::max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const double both = width * height, all = area(a) + area(b) - both;
  return all <= 0 ? 0 : both / all;
}

RefcocoItem refcoco_item(std::string_view prediction, double width, double height, const Box& gold) {
  constexpr double kHit = 0.5;
  const auto box = refcoco_box(prediction);
  if (!box || width <= 0 || height <= 0) return {};
  RefcocoItem item;
  item.box = in_picture(*box, width, height);
  item.iou = box_iou_xyxy(*item.box, gold);
  item.hit = item.iou >= kHit;
  return item;
}

Box refcoco_lmms_parse(std::string_view prediction) {
  static const Regex pattern(
      R"(\[\s*(-?\d+(?:\.\d+)?),\s*(-?\d+(?:\.\d+)?),\s*(-?\d+(?:\.\d+)?),\s*(-?\d+(?:\.\d+)?)\s*\])");
  const auto m = pattern.search(prediction);
  return m ? groups_of(*m) : Box{};
}

RefL4Accuracy ref_l4_accuracy(const std::vector<std::pair<Box, Box>>& gold_and_predicted) {
  constexpr int kFirst = 50, kLast = 95, kStep = 5;
  const auto percent_above = [&](double threshold) {
    const auto above = std::count_if(gold_and_predicted.begin(), gold_and_predicted.end(), [&](const auto& pair) {
      return float_iou(pair.first, pair.second) > static_cast<float>(threshold);
    });
    return 100.0 * static_cast<double>(above) / static_cast<double>(gold_and_predicted.size());
  };
  double sum = 0;
  int steps = 0;
  for (int t = kFirst; t <= kLast; t += kStep, ++steps) sum += percent_above(t / 100.0);
  return {percent_above(0.5), percent_above(0.75), percent_above(0.9), sum / steps};
}

double treebench_iou(std::string_view text, const std::vector<Box>& targets) {
  static const Regex tag("<box>(.*?)</box>", py::kDotAll), corners(R"(\[(\d+),(\d+),(\d+),(\d+)\])");
  std::vector<Box> boxes;
  for (const py::Match& m : tag.all(text)) {
    const auto inside = corners.match(py::strip(m.group(1)));
    if (!inside) continue;
    const Box box = groups_of(*inside);
    if (box[0] < box[2] && box[1] < box[3]) boxes.push_back(box);
  }
  if (boxes.empty()) return 0;
  if (targets.empty()) return 1;
  double sum = 0;
  for (const Box& target : targets) {
    double best = 0;
    for (const Box& box : boxes) best = std::max(best, box_iou_xyxy(target, box));
    sum += best;
  }
  return sum / static_cast<double>(targets.size());
}

}  // namespace glmv
