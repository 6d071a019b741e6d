#include "bench/machine.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "reference/core/parallel.h"

namespace glmv::bench {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

/// The value of the first line "key : value" of a file of the system.
std::string value_in(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(key, 0) != 0) continue;
    size_t at = line.find_first_of(":=");
    if (at == std::string::npos) return "";
    at = line.find_first_not_of(" \t\"", at + 1);
    const size_t end = line.find_last_not_of(" \t\"");
    return at == std::string::npos ? "" : line.substr(at, end - at + 1);
  }
  return "";
}

/// Of the first core; sysconf() counts a whole socket, of which a virtual machine has a part.
int64_t last_cache() {
  int64_t largest = 0;
  for (int i = 0; i < 5; ++i) {
    const std::string size = first_line(concat("/sys/devices/system/cpu/cpu0/cache/index", i, "/size"));  // "32768K"
    int64_t kib = 0;
    const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), kib);
    if (error == std::errc() && *end == 'K') largest = std::max(largest, kib << 10);
  }
  return largest;
}

Machine ask() {
  Machine m;
  utsname name{};
  ::uname(&name);
  m.host = name.nodename, m.kernel = name.release;
  m.os = value_in("/etc/os-release", "PRETTY_NAME");
  m.cpu = value_in("/proc/cpuinfo", "model name");
  m.cpus = static_cast<int>(std::thread::hardware_concurrency());
  m.threads = thread_count();
  m.last_cache_bytes = last_cache();
  m.governor = first_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  m.commit =
#include "commit.inc"
      ;
  m.compiler = GLMV_COMPILER;
  m.build = GLMV_BUILD_TYPE;
#ifdef GLMV_IS_NATIVE
  m.build += ", native";
#endif
  return m;
}

double seconds_of(const timeval& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); }

}  // namespace

const Machine& this_machine() {
  static const Machine machine = ask();
  return machine;
}

int64_t cache_bytes(const Backend& backend) {
  int64_t bytes = backend.space == Space::host || backend.describe == nullptr ? this_machine().last_cache_bytes
                                                                              : backend.describe().l2_bytes;
  constexpr int64_t kFallback = int64_t{32} << 20;
  return bytes > 0 ? bytes : kFallback;
}

Disturbance Disturbance::now() {
  Disturbance d;
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  d.cpu_seconds = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
  // cpu user nice system idle iowait irq softirq steal ...
  std::istringstream line(first_line("/proc/stat"));
  std::string word;
  int64_t ticks[8] = {};
  line >> word;
  for (int64_t& t : ticks) line >> t;
  d.stolen_ticks = ticks[7];
  const double busy = static_cast<double>(ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]);
  d.other_seconds = busy / static_cast<double>(std::max(::sysconf(_SC_CLK_TCK), 1L)) - d.cpu_seconds;
  return d;
}

Disturbance Disturbance::operator-(const Disturbance& o) const {
  return {cpu_seconds - o.cpu_seconds, stolen_ticks - o.stolen_ticks, std::max(other_seconds - o.other_seconds, 0.0)};
}

int64_t preemptions() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

double clock_canary() {
  double least = 1e9;
  for (int i = 0; i < 5; ++i) {
    const auto start = std::chrono::steady_clock::now();
    uint64_t x = 88172645463325252u;
    for (int j = 0; j < 100000; ++j) {  // xorshift: each step waits for the last
      x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    volatile uint64_t kept = x;
    (void)kept;
    least = std::min(least, seconds);
  }
  return least;
}

}  // namespace glmv::bench
