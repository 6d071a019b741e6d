#include "crosscheck/isolate_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "crosscheck/stages.h"

namespace glmv {
namespace {

constexpr size_t kShown = 8;

std::string size_text(int64_t bytes) {
  constexpr double kMebi = 1024.0 * 1024;
  const double mebi = static_cast<double>(bytes) / kMebi;
  return mebi < 1024 ? fmt::format("{:.1f} MiB", mebi) : fmt::format("{:.2f} GiB", mebi / 1024);
}

std::string birth_line(const IsolatedPoint& p) {
  std::string out =
      fmt::format("  {}: {}\n    from their {}\n", p.result.name, p.result.detail, fmt::join(p.upstream.from, ", "));
  if (p.born == Born::no_input) {
    out += "    nothing that the model computes before it is in the trace: it may have been made anywhere before\n";
  } else if (const auto& absent = p.upstream.absent; !absent.empty()) {
    out += absent.size() == 1
               ? fmt::format("    or in {} between them, which the trace lacks\n", absent[0])
               : fmt::format("    or between them in one of {} points that the trace lacks, from {} to {}\n",
                             absent.size(), absent.front(), absent.back());
  }
  return out;
}

}  // namespace

std::vector<std::string> births(const CrosscheckReport& report) {
  std::vector<std::string> names;
  for (const auto& [name, point] : report.isolation->points) {
    if (point.born == Born::here || point.born == Born::no_input) names.push_back(name);
  }
  std::sort(names.begin(), names.end(), ForwardOrder());
  return names;
}

std::string isolation_text(const CrosscheckReport& report) {
  const Isolation& i = *report.isolation;
  const std::vector<std::string> made = births(report);
  std::string out = fmt::format("\nISOLATED: {} of {} points made an error, {} inherit one, {} are noise both ways\n",
                                made.size(), i.points.size(), i.count(Born::inherited), i.count(Born::noise));
  for (size_t k = 0; k < made.size() && k < kShown; ++k) out += birth_line(i.points.at(made[k]));
  if (made.size() > kShown) out += fmt::format("  and {} more\n", made.size() - kShown);
  return out + fmt::format(
                   "  {} segments of the model, one at a time: {} of weights, {} of them the largest ({}); {:.2f} s, "
                   "peak memory {}\n",
                   i.segments, size_text(i.weight_bytes), size_text(i.largest_segment_bytes), i.largest_segment,
                   i.seconds, size_text(i.peak_rss_bytes));
}

}  // namespace glmv
