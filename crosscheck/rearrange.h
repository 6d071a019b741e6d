// Tensors cut, joined and turned around: what undoing a layout needs, whoever's it is.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "reference/core/arena.h"

namespace glmv {

/// Owns the tensors that rearranging makes; views stay valid as long as a copy of it lives.
class Rearranged {
 public:
  /// The view itself if its elements are adjacent, else a copy.
  ConstTensorView contiguous(const ConstTensorView& v);
  /// The chosen places of an axis, one after the other.
  ConstTensorView gathered(const ConstTensorView& v, int axis, const std::vector<int64_t>& places);
  /// Parts one after the other along axis 1; they must fit (see fit_side_by_side).
  ConstTensorView side_by_side(const std::vector<ConstTensorView>& parts);
  /// a + b of equal extents, rounded once to a's type.
  ConstTensorView sum(const ConstTensorView& a, const ConstTensorView& b);

  const std::vector<Tensor>& made() const { return made_; }

 private:
  ConstTensorView keep(Tensor t);
  std::vector<Tensor> made_;
};

ConstTensorView without_axis(const ConstTensorView& v, int axis);
/// Axes of one dropped, from the front or the back, until `rank` are left or there is none.
ConstTensorView without_ones(ConstTensorView v, int rank, bool from_back = false);
ConstTensorView with_axes_exchanged(ConstTensorView v, int a, int b);
/// [T, anything] as [T, W]; contiguous, of one axis or more.
ConstTensorView as_rows(const ConstTensorView& v);
bool fit_side_by_side(const ConstTensorView& a, const ConstTensorView& b);
bool same_values(const ConstTensorView& a, const ConstTensorView& b);

/// Which rules were used on how many tensors: one sentence each.
class RuleLog {
 public:
  void used(const std::string& rule, const std::string& name);
  std::vector<std::string> sentences() const;

 private:
  std::map<std::string, std::pair<int64_t, std::string>> rules_;  ///< how often, and on which tensor first
};

}  // namespace glmv
