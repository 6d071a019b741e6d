#include "bench/roofline.h"

#include <algorithm>

namespace glmv::bench {

double Peaks::flops_per_s(DType type) const {
  double best = 0;
  if (type == DType::f8e4m3) best = fp8_flops_per_s;
  if (best == 0 && (type == DType::f8e4m3 || type == DType::bf16 || type == DType::f16)) best = bf16_flops_per_s;
  return best == 0 ? f32_flops_per_s : best;
}

Roofline roofline(const Cost& cost, const Peaks& peaks, DType type) {
  const double flops_per_s = peaks.flops_per_s(type), bandwidth = peaks.bandwidth();
  const double computing = flops_per_s > 0 ? cost.flops / flops_per_s : 0;
  const double moving = bandwidth > 0 ? cost.bytes / bandwidth : 0;
  return {std::max(computing, moving), computing > moving ? Bound::compute : Bound::memory};
}

Peaks best_of(const Peaks& a, const Peaks& b) {
  return {b.source,
          std::max(a.read_bytes_per_s, b.read_bytes_per_s),
          std::max(a.copy_bytes_per_s, b.copy_bytes_per_s),
          std::max(a.f32_flops_per_s, b.f32_flops_per_s),
          std::max(a.bf16_flops_per_s, b.bf16_flops_per_s),
          std::max(a.fp8_flops_per_s, b.fp8_flops_per_s)};
}

Peaks datasheet(std::string_view device) {
  struct Sheet {
    const char* part;
    Peaks peaks;
  };
  // Bytes/s of the memory, FLOP/s of dense products: f32 on the plain units, 16 and 8 bits on the matrix units.
  static const Sheet kSheets[] = {
      {"H200", {"H200 SXM datasheet", 4.8e12, 4.8e12, 67e12, 989e12, 1979e12}},
      {"H100 PCIe", {"H100 PCIe datasheet", 2.0e12, 2.0e12, 51e12, 756e12, 1513e12}},
      {"H100", {"H100 SXM datasheet", 3.35e12, 3.35e12, 67e12, 989e12, 1979e12}},
      {"MI300X", {"MI300X datasheet", 5.3e12, 5.3e12, 163.4e12, 1307e12, 2614e12}},
  };
  for (const Sheet& sheet : kSheets) {
    if (device.find(sheet.part) != std::string_view::npos) return sheet.peaks;
  }
  return {};
}

}  // namespace glmv::bench
