#include "crosscheck/report_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "crosscheck/stages.h"
#include "data/html.h"

namespace glmv {
namespace {

constexpr double kWidth = 960, kHeight = 340, kLeft = 70, kRight = 16, kTop = 44, kBottom = 48;

/// One output of a block or layer.
struct Sample {
  std::string name;
  double theirs, floor, isolated;  ///< isolated < 0: not known
};

/// The largest error that was made inside a block or layer: its output alone hides what its residual sum drowns.
double largest_made_in(const std::string& layer, const CrosscheckReport& report) {
  double largest = -1;
  if (!report.isolation) return largest;
  for (const auto& [name, p] : report.isolation->points) {
    const bool inside = name == layer || name.rfind(layer + '.', 0) == 0;
    if (inside && p.result.kind == PointKind::noise) largest = std::max(largest, p.result.theirs.relative_l2);
  }
  return largest;
}

std::vector<Sample> samples_of(const CrosscheckReport& report) {
  std::vector<Sample> out;
  for (const PointResult& p : report.points) {
    const PointName at = split_step(p.name);
    const LayerPoint layer = split_layer(at.point);
    if (at.step > 0 || p.kind != PointKind::noise || layer.layer < 0 || !layer.inner.empty()) continue;
    out.push_back({p.name, p.theirs.relative_l2, p.floor_l2, largest_made_in(p.name, report)});
  }
  return out;
}

/// What is drawn of a number: zero and less stand at the bottom.
class LogAxis {
 public:
  explicit LogAxis(const std::vector<Sample>& samples) {
    for (const Sample& s : samples) {
      for (const double v : {s.theirs, s.floor, s.isolated}) take(v);
    }
    if (low_ > high_) low_ = -8, high_ = 0;
    if (high_ == low_) ++high_;
  }
  double y(double v) const {
    const double at = v > 0 && std::isfinite(v) ? std::clamp(std::log10(v), low_, high_) : v > 0 ? high_ : low_;
    return kHeight - kBottom - (at - low_) / (high_ - low_) * (kHeight - kTop - kBottom);
  }
  double low() const { return low_; }
  double high() const { return high_; }

 private:
  void take(double v) {
    if (!(v > 0) || !std::isfinite(v)) return;
    low_ = std::min(low_, std::floor(std::log10(v)));
    high_ = std::max(high_, std::ceil(std::log10(v)));
  }
  double low_ = 1e9, high_ = -1e9;
};

double x_of(size_t i, size_t n) {
  return kLeft + (static_cast<double>(i) + 0.5) / static_cast<double>(n) * (kWidth - kLeft - kRight);
}

std::string axes(const LogAxis& axis, const std::vector<Sample>& samples) {
  std::string out;
  for (int e = static_cast<int>(axis.low()); e <= static_cast<int>(axis.high()); ++e) {
    const double y = axis.y(std::pow(10, e));
    out += fmt::format(
        "<line x1='{}' y1='{:.1f}' x2='{}' y2='{:.1f}' class='grid'/><text x='{}' y='{:.1f}' class='tick' "
        "text-anchor='end'>1e{:+}</text>",
        kLeft, y, kWidth - kRight, y, kLeft - 8, y + 4, e);
  }
  const size_t every = std::max<size_t>(1, samples.size() / 24);
  for (size_t i = 0; i < samples.size(); i += every) {
    const LayerPoint at = split_layer(samples[i].name);
    out += fmt::format("<text x='{:.1f}' y='{}' class='tick' text-anchor='middle'>{}{}</text>", x_of(i, samples.size()),
                       kHeight - kBottom + 18, stage_of(samples[i].name) == 6 ? 'v' : 't', at.layer);
  }
  return out + fmt::format(
                   "<text x='{}' y='{}' class='axis' text-anchor='middle'>output of vision block v and decoder layer "
                   "t</text>",
                   (kLeft + kWidth) / 2, kHeight - 8);
}

template <class Value>
std::string line(const std::vector<Sample>& samples, const LogAxis& axis, const char* look, Value value) {
  std::string points;
  for (size_t i = 0; i < samples.size(); ++i)
    points += fmt::format("{:.1f},{:.1f} ", x_of(i, samples.size()), axis.y(value(samples[i])));
  return fmt::format("<polyline points='{}' class='{}'/>", points, look);
}

std::string legend(bool isolated) {
  std::string out;
  double x = kLeft + 12;
  const auto entry = [&](const char* look, const char* words, double width) {
    out += fmt::format(
        "<line x1='{0}' y1='14' x2='{1}' y2='14' class='{2}'/><text x='{3}' y='18' class='label'>{4}</text>", x, x + 24,
        look, x + 30, words);
    x += width;
  };
  entry("theirs", "theirs, end to end", 170);
  entry("floor", "floor: our own run in their type", 250);
  if (isolated) entry("isolated", "theirs, from the inputs they had: worst point of the layer", 380);
  return out;
}

}  // namespace

std::string layer_curve_svg(const CrosscheckReport& report) {
  const std::vector<Sample> samples = samples_of(report);
  if (samples.size() < 2) return "";
  const LogAxis axis(samples);
  std::string out = fmt::format("<svg viewBox='0 0 {} {}' role='img' aria-label='error by layer'>", kWidth, kHeight);
  out += axes(axis, samples);
  out += line(samples, axis, "floor", [](const Sample& s) { return s.floor; });
  out += line(samples, axis, "theirs", [](const Sample& s) { return s.theirs; });
  const bool isolated = std::any_of(samples.begin(), samples.end(), [](const Sample& s) { return s.isolated >= 0; });
  if (isolated) out += line(samples, axis, "isolated", [](const Sample& s) { return s.isolated; });
  for (size_t i = 0; i < samples.size(); ++i) {
    out += fmt::format(
        "<circle cx='{:.1f}' cy='{:.1f}' r='3' class='dot'><title>{}: {:.3g}, floor {:.3g}</title></circle>",
        x_of(i, samples.size()), axis.y(samples[i].theirs), html_escaped(samples[i].name), samples[i].theirs,
        samples[i].floor);
  }
  return out + legend(isolated) + "</svg>";
}

}  // namespace glmv
