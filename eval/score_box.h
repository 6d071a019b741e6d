// Boxes in replies and how far they overlap the gold's.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

namespace glmv {

using Box = std::array<double, 4>;  ///< x1, y1, x2, y2

/// Intersection over union of continuous boxes; 0 without an intersection or a union.
double box_iou_xyxy(const Box& a, const Box& b);

struct RefcocoItem {
  std::optional<Box> box;  ///< pixels
  double iou = 0;
  bool hit = false;  ///< iou >= 0.5
};
/// VLMEvalKit: the first [a, b, c, d], else the first four numbers; fractions, thousandths or pixels by their size.
RefcocoItem refcoco_item(std::string_view prediction, double width, double height, const Box& gold);

/// lmms-eval: the first [a, b, c, d] of plain decimals; zeros if there is none.
Box refcoco_lmms_parse(std::string_view prediction);

struct RefL4Accuracy {
  double acc50 = 0, acc75 = 0, acc90 = 0, macc = 0;  ///< percent
};
/// Ref-L4's evaluator: strict IoU in float32; macc is the mean over 0.50, 0.55 ... 0.95.
RefL4Accuracy ref_l4_accuracy(const std::vector<std::pair<Box, Box>>& gold_and_predicted);

/// TreeBench: mean over targets of the best IoU with a valid <box>; without targets 1 if there is a valid one.
double treebench_iou(std::string_view text, const std::vector<Box>& targets);

}  // namespace glmv
