#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "bench/page.h"
#include "data/html.h"

namespace glmv::bench {

std::string escaped(const std::string& text) { return html_escaped(text); }

namespace {

constexpr double kWidth = 960, kHeight = 520, kLeft = 84, kRight = 16, kTop = 16, kBottom = 54;

/// Decades on both axes that hold every point and the ridge.
struct Axes {
  double x0, x1, y0, y1;  // powers of ten

  double x(double value) const { return kLeft + (std::log10(value) - x0) / (x1 - x0) * (kWidth - kLeft - kRight); }
  double y(double value) const {
    return kHeight - kBottom - (std::log10(value) - y0) / (y1 - y0) * (kHeight - kTop - kBottom);
  }
};

Axes axes_for(const Peaks& peaks, const std::vector<const Row*>& rows) {
  double x0 = 1e9, x1 = 0, y0 = 1e30, y1 = peaks.flops_per_s(DType::bf16);
  for (const Row* r : rows) {
    x0 = std::min(x0, intensity(r->cost)), x1 = std::max(x1, intensity(r->cost));
    y0 = std::min(y0, r->flops_per_s()), y1 = std::max(y1, r->flops_per_s());
  }
  x1 = std::max(x1, 10 * peaks.flops_per_s(DType::bf16) / peaks.bandwidth());
  return {std::floor(std::log10(x0)), std::ceil(std::log10(x1)), std::floor(std::log10(y0)),
          std::ceil(std::log10(y1 * 1.1))};
}

std::string grid(const Axes& a) {
  std::string out;
  const auto line = [&](double x0, double y0, double x1, double y1) {
    out += fmt::format("<line x1='{:.1f}' y1='{:.1f}' x2='{:.1f}' y2='{:.1f}' class='grid'/>", x0, y0, x1, y1);
  };
  for (double e = a.x0; e <= a.x1; ++e) {
    const double x = a.x(std::pow(10, e));
    line(x, kTop, x, kHeight - kBottom);
    const double value = std::pow(10, e);
    out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='tick' text-anchor='middle'>{:g}</text>", x,
                       kHeight - kBottom + 18, value);
  }
  for (double e = a.y0; e <= a.y1; ++e) {
    const double y = a.y(std::pow(10, e));
    line(kLeft, y, kWidth - kRight, y);
    out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='tick' text-anchor='end'>{}</text>", kLeft - 8, y + 4,
                       rate_text(std::pow(10, e), "FLOP/s"));
  }
  out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='axis' text-anchor='middle'>FLOP per byte</text>",
                     (kLeft + kWidth - kRight) / 2, kHeight - 10);
  return out;
}

/// The roof: a slope of the bandwidth up to a ridge, then flat.
std::string roof(const Axes& a, const Peaks& p, const char* look) {
  const double flops = p.flops_per_s(DType::bf16), bandwidth = p.bandwidth(), ridge = flops / bandwidth;
  const double left = std::pow(10, a.x0), right = std::pow(10, a.x1), bottom = std::pow(10, a.y0);
  const double start = std::max(left, bottom / bandwidth);
  return fmt::format("<polyline points='{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}' class='{}'/>", a.x(start),
                     a.y(start * bandwidth), a.x(ridge), a.y(flops), a.x(right), a.y(flops), look);
}

/// Colours that differ in print and to most eyes that see colours differently; shapes differ too.
struct Look {
  const char* colour;
  int shape;
};
Look look_of(size_t i) {
  constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                      "#7a5c00", "#4b4b9b", "#333333", "#8c1c13"};
  return {kColours[i % 8], static_cast<int>((i + i / 8) % 4)};
}

/// Hollow: a measurement that something disturbed.
std::string mark(double x, double y, Look look, const std::string& title, bool hollow = false) {
  const std::string t = title.empty() ? "" : "<title>" + escaped(title) + "</title>";
  const std::string c = hollow ? concat("none' stroke-width='1.6' stroke='", look.colour) : look.colour;
  constexpr double r = 5;
  switch (look.shape) {
    case 0: return fmt::format("<circle cx='{:.1f}' cy='{:.1f}' r='{}' fill='{}'>{}</circle>", x, y, r, c, t);
    case 1:
      return fmt::format("<rect x='{:.1f}' y='{:.1f}' width='{}' height='{}' fill='{}'>{}</rect>", x - r + 0.5,
                         y - r + 0.5, 2 * r - 1, 2 * r - 1, c, t);
    case 2:
      return fmt::format("<polygon points='{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}' fill='{}'>{}</polygon>", x,
                         y - r - 1, x + r + 1, y + r, x - r - 1, y + r, c, t);
    default:
      return fmt::format(
          "<polygon points='{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}' fill='{}'>{}</polygon>", x,
          y - r - 1, x + r + 1, y, x, y + r + 1, x - r - 1, y, c, t);
  }
}

}  // namespace

std::string roofline_svg(const Ceilings& ceilings, const std::vector<Row>& rows) {
  const Peaks& peaks = ceilings.measured;
  if (peaks.bandwidth() == 0 || peaks.flops_per_s(DType::bf16) == 0) return "";
  std::vector<const Row*> drawn;
  std::map<std::string, size_t> ops;
  for (const Row& r : rows) {
    if (!r.has_time() || r.cost.flops <= 0 || r.cost.bytes <= 0) continue;
    if (r.backend != ceilings.backend) continue;
    drawn.push_back(&r);
    ops.emplace(r.op, ops.size());
  }
  if (drawn.empty()) return "";
  const Axes a = axes_for(peaks, drawn);
  std::string out = fmt::format("<svg viewBox='0 0 {} {}' role='img' aria-label='roofline of {}'>", kWidth, kHeight,
                                escaped(ceilings.device));
  out += grid(a);
  if (ceilings.sheet.bandwidth() > 0) out += roof(a, ceilings.sheet, "sheet");
  out += roof(a, peaks, "roof");
  out +=
      fmt::format("<text x='{:.1f}' y='{:.1f}' class='label' text-anchor='end'>{} measured</text>", kWidth - kRight - 6,
                  a.y(peaks.flops_per_s(DType::bf16)) - 6, rate_text(peaks.flops_per_s(DType::bf16), "FLOP/s"));
  const double ridge = peaks.flops_per_s(DType::bf16) / peaks.bandwidth();
  const double middle = std::sqrt(ridge * std::max(std::pow(10, a.x0), std::pow(10, a.y0) / peaks.bandwidth()));
  out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='label' text-anchor='end'>{} measured</text>", a.x(middle) - 8,
                     a.y(middle * peaks.bandwidth()) - 4, rate_text(peaks.bandwidth(), "B/s"));
  for (const Row* r : drawn) {
    out += mark(a.x(intensity(r->cost)), a.y(r->flops_per_s()), look_of(ops.at(r->op)),
                concat(r->case_name, ": ", duration_text(r->quantile_seconds(0.5)),
                       r->status == Status::unstable ? ", unstable: " + r->why : ""),
                r->status == Status::unstable);
  }
  double y = kHeight - kBottom - 16 - 18 * static_cast<double>(ops.size() - 1);  // bottom right, where no point can be
  out += fmt::format("<rect x='{:.1f}' y='{:.1f}' width='176' height='{:.1f}' class='legend'/>", kWidth - kRight - 184,
                     y - 14, 18.0 * static_cast<double>(ops.size()) + 10);
  std::vector<std::pair<size_t, std::string>> by_look;
  for (const auto& [op, i] : ops) by_look.emplace_back(i, op);
  std::sort(by_look.begin(), by_look.end());
  for (const auto& [i, op] : by_look) {
    out += mark(kWidth - kRight - 170, y, look_of(i), "");
    out += fmt::format("<text x='{:.1f}' y='{:.1f}' class='tick'>{}</text>", kWidth - kRight - 156, y + 4, escaped(op));
    y += 18;
  }
  return out + "</svg>";
}

}  // namespace glmv::bench
