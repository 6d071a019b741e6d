// Are two measurements of one thing different? Decided from raw samples, and by what else was measured with them.
#pragma once

#include <string>
#include <vector>

#include "bench/row.h"

namespace glmv::bench {

enum class Verdict : uint8_t {
  same,
  faster,
  slower,
  unstable,  ///< there is a difference that the machine may have made: `why` says what
  invalid,   ///< one of them computes something wrong
  missing,   ///< one of them has no time
};
/// "SAME", "FASTER", ...
const char* word_for(Verdict verdict);

struct CompareOptions {
  double threshold = 0.05;  ///< smaller differences are none, as a share
  double level = 0.01;      ///< chance of one false alarm among all pairs, by each test
};

struct Compared {
  std::string name;
  Verdict verdict = Verdict::same;
  std::string why;
  double before = 0, after = 0;  ///< medians, seconds
  double ratio = 1;              ///< after / before
  Interval interval;             ///< 99 % of the ratio
  double p = 1;                  ///< of the Mann-Whitney test, corrected for the number of pairs
  size_t tests = 1;              ///< that number
};

/// Pairs rows by name and judges each pair. SLOWER and FASTER need all of: medians further apart than the threshold, a
/// Mann-Whitney test that says so (Holm's correction), a bootstrap interval of the ratio without 1, and every round of
/// the one slower than every round of the other. A difference that lacks one of them is UNSTABLE, and so is one between
/// measurements that were disturbed or whose clock or memory differed as much as the kernels did.
std::vector<Compared> compare_rows(const std::vector<Row>& before, const std::vector<Row>& after,
                                   const CompareOptions& options);

/// The rows of one backend under the names of another's, so that two contenders of one run are compared.
std::vector<Row> rows_of(const std::vector<Row>& rows, const std::string& backend, const std::string& as);

/// Where two results have no name in common but one backend each: the rows of the first under the names of the
/// second's backend. Empty if a side has several.
std::vector<Row> by_case(const std::vector<Row>& before, const std::vector<Row>& after);

/// What the two columns of times are called.
struct Sides {
  std::string before = "before", after = "after";
};
/// Lines for a terminal, and the same as Markdown.
std::string comparison_text(const std::vector<Compared>& list, const Sides& sides = {});
std::string comparison_markdown(const std::vector<Compared>& list, const Sides& sides = {});

}  // namespace glmv::bench
