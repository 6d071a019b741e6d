// The words of the reports. A report is for the person who wrote the kernel: kernel, block, thread, file and line.
#pragma once

#include <string>
#include <vector>

#include "reference/core/error.h"
#include "simt/engine/block.h"

namespace glmv::simt {

/// "tests/simt/a.cu:12", below the repository's root.
std::string name_of(Place place);
/// "thread (1,0,0)".
std::string name_of(const Thread& t);
/// "block (0,0,0)".
std::string name_of_block(Index3 block);
/// "kernel k launched at f.cu:3".
std::string name_of(const LaunchConfig& config);

bool same_place(const Waiting& a, const Waiting& b);

/// One thread did something wrong at `place`.
std::string describe_failure(const LaunchConfig& config, const Thread& t, Place place, const std::string& what);
/// Two threads stand at different places where they should stand at one.
std::string describe_divergence(const LaunchConfig& config, const Thread& a, const Waiting& at_a, const Thread& b,
                                const Waiting& at_b);
/// A collective waits for a lane that has ended.
std::string describe_exited_lane(const LaunchConfig& config, const Thread& exited, const Waiting& at);
/// Nobody can go on: every place with its number of waiting threads.
std::string describe_deadlock(const LaunchConfig& config, const std::vector<Thread>& threads);

}  // namespace glmv::simt
