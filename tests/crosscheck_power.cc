// Proof of the catalogue on many random models: is every mistake named, is a clean trace left alone, is a planted error
// found at its point?
//
//     crosscheck_power [MODELS=20] [PATTERN=""] [FIRST=0] [STEP=1]     one line per mistake; exit code 1 if one is
//     named less often than 95 %
//
// Takes minutes; mistakes_test runs one model of each.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include "tests/random_engine.h"

namespace glmv {
namespace {

/// Models on which the mistake changes nothing say nothing; others are drawn in their place, up to so many times more.
constexpr uint64_t kMostDraws = 4;

struct Tally {
  uint64_t visible = 0, named = 0, alone = 0, drawn = 0;
  std::string missed;
};

Tally tally_of(const Mistake& m, uint64_t models) {
  Tally t;
  for (uint64_t seed = 1; t.visible < models && t.drawn < kMostDraws * models; ++seed, ++t.drawn) {
    const Verdict v = verdict_on(m, seed);
    t.visible += v.visible, t.named += v.named, t.alone += v.alone;
    if (v.visible && !v.named) t.missed += fmt::format("      seed {} {}\n", seed, v.said);
  }
  return t;
}

bool clean_is_left_alone(uint64_t models) {
  uint64_t accused = 0;
  for (uint64_t seed = 1; seed <= models; ++seed) {
    for (const Kind kind : {Kind::moe, Kind::dense, Kind::quantised}) {
      const RandomModel random = random_model(seed, kind);
      accused += !crosscheck(random.model, engine_trace(random.model, random.script, {}), {}).within();
    }
  }
  std::cout << fmt::format("clean traces: {} of {} accused\n", accused, 3 * models);
  return accused == 0;
}

bool planted_are_found(uint64_t models) {
  uint64_t found = 0;
  for (uint64_t seed = 1; seed <= models; ++seed) {
    const RandomModel random = random_model(seed, seed % 2 == 0 ? Kind::moe : Kind::dense, 2);
    Theirs theirs = engine_trace(random.model, random.script, {});
    const PlantedError planted = plant_error(random.model, theirs, seed, 4);
    CrosscheckOptions options;
    options.explain = false;
    const CrosscheckReport r = crosscheck(random.model, theirs, options);
    const bool here = !r.within() && r.points[static_cast<size_t>(r.first)].name == planted.point;
    if (!here) std::cout << fmt::format("  planted at {} [{}], not found there\n", planted.point, planted.element);
    found += here;
  }
  std::cout << fmt::format("planted errors of 4 times what is allowed: {} of {} found at their point\n", found, models);
  return found == models;
}

/// Every how many-th mistake is looked at, and from which on: several processes can share the work.
struct Shard {
  size_t first = 0, step = 1;
};

int run(uint64_t models, const std::string& pattern, Shard shard) {
  bool good = true;
  if (pattern.empty() && shard.first == 0) good = clean_is_left_alone(models) && planted_are_found(3 * models);
  std::cout << fmt::format("{:<36} {:>8} {:>6} {:>6}\n", "mistake", "departs", "named", "alone");
  for (size_t i = shard.first; i < mistakes().size(); i += shard.step) {
    const Mistake& m = mistakes()[i];
    if (m.name.find(pattern) == std::string::npos) continue;
    const Tally t = tally_of(m, models);
    const bool enough = t.visible > 0 && static_cast<double>(t.named) >= 0.95 * static_cast<double>(t.visible);
    good = good && enough;
    std::cout << fmt::format("{:<36} {:>3} of {:>2} {:>4} {:>6}{}\n{}", m.name, t.visible, t.drawn, t.named, t.alone,
                             enough ? "" : "   <-- too few", t.missed)
              << std::flush;
  }
  return good ? 0 : 1;
}

}  // namespace
}  // namespace glmv

int main(int argc, char** argv) {
  try {
    const auto number = [&](int i, uint64_t otherwise) {
      return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
    };
    return glmv::run(number(1, 20), argc > 2 ? argv[2] : "", {number(3, 0), std::max<uint64_t>(number(4, 1), 1)});
  } catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 2;
  }
}
