#include "bench/row.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace glmv::bench {

const char* word_for(Status status) {
  switch (status) {
    case Status::timed: return "ok";
    case Status::unstable: return "unstable";
    case Status::invalid: return "INVALID";
    case Status::left_out: return "left out";
  }
  return "";
}

const Ceilings* BenchResult::ceilings_of(const std::string& backend) const {
  // A rung ("cuda-naive") and a user's kernel ("cpu:mine") run on the device that the longest common name measured.
  const Ceilings* best = nullptr;
  for (const Ceilings& c : ceilings) {
    if (backend.rfind(c.backend, 0) != 0) continue;
    if (best == nullptr || c.backend.size() > best->backend.size()) best = &c;
  }
  return best;
}

std::string duration_text(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.3g} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.3g} ms", seconds * 1e3);
  return fmt::format("{:.3g} s", seconds);
}

std::string rate_text(double per_second, const char* unit) {
  constexpr const char* kPrefixes[] = {"", "k", "M", "G", "T", "P"};
  size_t i = 0;
  while (per_second >= 999.5 && i + 1 < std::size(kPrefixes)) per_second /= 1000, ++i;
  return fmt::format("{:.3g} {}{}", per_second, kPrefixes[i], unit);
}

namespace {

std::string share_text(double share) { return share > 0 ? fmt::format("{:.0f} %", 100 * share) : "-"; }

/// The rate that counts: of what the kernel is bound by.
std::string rate_of(const Row& r) {
  if (r.measured.seconds == 0) return "-";  // nothing to hold it against: an emulator
  return r.measured.bound == Bound::compute ? rate_text(r.flops_per_s(), "FLOP/s") : rate_text(r.bytes_per_s(), "B/s");
}

std::string spread_text(const Row& r) {
  const double half = (r.quantile_seconds(0.75) - r.quantile_seconds(0.25)) / 2;
  return fmt::format("{:.1f} %", 100 * half / r.quantile_seconds(0.5));
}

}  // namespace

bool is_above_roof(const Row& r) { return r.has_time() && r.of_roofline() > 1.02 && r.l2 != "warm"; }

std::vector<std::string> notes_on_roofs(const BenchResult& result) {
  std::vector<std::string> notes;
  for (const Ceilings& c : result.ceilings) {
    const std::string note = concat(c.device, ": ", c.doubt);
    if (!c.doubt.empty() && std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(note);
  }
  if (std::any_of(result.rows.begin(), result.rows.end(), is_above_roof)) {
    notes.emplace_back(
        "above the roof: the peaks were measured while something else ran, or data of an earlier call was still in the "
        "cache");
  }
  return notes;
}

std::string to_csv(const BenchResult& result) {
  std::string out =
      "name,case,op,backend,l2,status,why,tokens,context,median_us,p10_us,p25_us,p75_us,p90_us,min_us,samples,flops,"
      "bytes,"
      "tflops,gbps,ai,roofline_us,pct_roofline,pct_sheet,bound,experts_touched,pad_eff,max_err,worst_ulp\n";
  const auto quoted = [](const std::string& text) {
    std::string q = "\"";
    for (const char c : text) q += c == '"' ? "\"\"" : std::string(1, c);
    return q + '"';
  };
  for (const Row& r : result.rows) {
    out += fmt::format("{},{},{},{},{},{},{},{},{},", r.name, r.case_name, r.op, r.backend, r.l2, word_for(r.status),
                       quoted(r.why), r.tokens, r.context);
    if (r.has_time()) {
      for (const double q : {0.5, 0.1, 0.25, 0.75, 0.9, 0.0})
        out += fmt::format("{:.6g},", 1e6 * r.quantile_seconds(q));
      out += fmt::format("{},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.4g},{:.4g},{},{},{:.4g},{:.4g},{:.4g}\n",
                         pooled(r.seconds).size(), r.cost.flops, r.cost.bytes, r.flops_per_s() / 1e12,
                         r.bytes_per_s() / 1e9, intensity(r.cost), 1e6 * r.measured.seconds, 100 * r.of_roofline(),
                         100 * r.of_sheet(), static_cast<int>(r.measured.bound), r.experts_touched, r.pad_efficiency,
                         r.of_allowed, r.worst_ulp);
    } else {
      out += fmt::format(",,,,,,0,{:.6g},{:.6g},,,{:.6g},,,,,{},{:.4g},{:.4g},{:.4g}\n", r.cost.flops, r.cost.bytes,
                         intensity(r.cost), r.experts_touched, r.pad_efficiency, r.of_allowed, r.worst_ulp);
    }
  }
  return out;
}

std::string to_markdown(const BenchResult& result) {
  std::string out = fmt::format("{}, {} threads, commit {}, {}\n", result.machine.cpu, result.machine.threads,
                                result.machine.commit, result.created);
  for (const Ceilings& c : result.ceilings) {
    if (c.measured.bandwidth() == 0) continue;
    if (!c.doubt.empty()) out += fmt::format("\n{}: {}\n", c.backend, c.doubt);
    out += fmt::format("\n{} ({}): {}, f32 {}, bf16 {} measured\n", c.backend, c.device,
                       rate_text(c.measured.bandwidth(), "B/s"), rate_text(c.measured.f32_flops_per_s, "FLOP/s"),
                       rate_text(c.measured.bf16_flops_per_s, "FLOP/s"));
  }
  out += "\n| case | backend | L2 | median | ± IQR/2 | rate | of roofline | error of allowed | |\n";
  out += "|---|---|---|---:|---:|---:|---:|---:|---|\n";
  for (const Row& r : result.rows) {
    if (r.has_time()) {
      out += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {:.2f} | {} |\n", r.case_name, r.backend, r.l2,
                         duration_text(r.quantile_seconds(0.5)), spread_text(r), rate_of(r),
                         share_text(r.of_roofline()), r.of_allowed, r.status == Status::timed ? "" : r.why);
    } else {
      out +=
          fmt::format("| {} | {} | {} | | | | | | {}: {} |\n", r.case_name, r.backend, r.l2, word_for(r.status), r.why);
    }
  }
  return out;
}

std::string to_text(const BenchResult& result) {
  size_t width = 4, backends = 7;
  for (const Row& r : result.rows) {
    width = std::max(width, r.case_name.size());
    backends = std::max(backends, r.backend.size());
  }
  std::string out = fmt::format("{:<{}}  {:<{}} {:<6} {:>9} {:>8} {:>14} {:>6} {:>8}\n", "case", width, "backend",
                                backends, "l2", "median", "+-IQR/2", "rate", "roof", "error");
  for (const Row& r : result.rows) {
    out += fmt::format("{:<{}}  {:<{}} {:<6} ", r.case_name, width, r.backend, backends, r.l2);
    if (r.has_time()) {
      out += fmt::format("{:>9} {:>8} {:>14} {:>6} {:>8.2f}", duration_text(r.quantile_seconds(0.5)), spread_text(r),
                         rate_of(r), share_text(r.of_roofline()), r.of_allowed);
      if (is_above_roof(r)) out += "  above the roof";
      if (r.status == Status::unstable) out += "  unstable: " + r.why;
    } else {
      out += fmt::format("{}: {}", word_for(r.status), r.why);
      if (r.status == Status::invalid) out += "\n    repeat: " + r.repro;
    }
    out += '\n';
  }
  for (const std::string& note : notes_on_roofs(result)) out += note + '\n';
  return out;
}

}  // namespace glmv::bench
