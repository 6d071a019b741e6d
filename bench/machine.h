// The machine a measurement was made on, and what else happened on it meanwhile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reference/core/backend.h"

namespace glmv::bench {

struct Machine {
  std::string host, cpu, kernel, os;
  int cpus = 0, threads = 0;     ///< online; used by this program
  int64_t last_cache_bytes = 0;  ///< the largest cache
  std::string governor;          ///< "" where the system does not say
  std::string commit, compiler, build;
};
const Machine& this_machine();

/// Bytes of the cache that a cold measurement empties: a device's L2, else the host's last cache. A fallback of 32 MiB
/// where nobody says.
int64_t cache_bytes(const Backend& backend);

/// What the system counts of this process and of the machine; differences tell what disturbed a stretch of time.
struct Disturbance {
  double cpu_seconds = 0;    ///< of all threads
  int64_t stolen_ticks = 0;  ///< of the hypervisor, whole machine, hundredths of a second
  double other_seconds = 0;  ///< CPU time of other processes

  static Disturbance now();
  Disturbance operator-(const Disturbance& o) const;
};

/// Involuntary context switches of all threads of this process so far.
int64_t preemptions();

/// Seconds a fixed chain of dependent operations takes: with the clock's speed it rises and falls. The least of a few.
double clock_canary();

}  // namespace glmv::bench
