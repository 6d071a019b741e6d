// A result as one self-contained HTML page: roofline plots drawn as SVG, and tables.
#pragma once

#include <string>
#include <vector>

#include "bench/compare.h"
#include "bench/row.h"

namespace glmv::bench {

std::string page_of(const BenchResult& result, const std::vector<Compared>& compared);

/// One device's roofline: log-log, arithmetic intensity against the speed reached, measured ceilings solid and those of
/// the datasheet dashed. "" if nothing can be drawn.
std::string roofline_svg(const Ceilings& ceilings, const std::vector<Row>& rows);

/// & < > and quotes made harmless.
std::string escaped(const std::string& text);

}  // namespace glmv::bench
