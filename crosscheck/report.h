// A cross-check's report: text for people, JSON and JSON lines for programs, JUnit XML for CI systems, a page to look
// at.
#pragma once

#include <string>

#include "crosscheck/crosscheck.h"

namespace glmv {

/// The ladder of stages, then the first departure. `every_point`: one line per point instead of per stage.
std::string text_report(const CrosscheckReport& report, bool every_point);

/// Schema glmv.crosscheck/1.
std::string json_report(const CrosscheckReport& report);

/// JSON lines: {"record": "probe", ...} per compared point, in the order of the forward pass, then one
/// {"record": "summary", "schema": "glmv.crosscheck_lines/1", ...}.
std::string jsonl_report(const CrosscheckReport& report);

/// JUnit XML: a suite per stage, a case per point. What departs is a failure, what inherits an error or cannot be
/// judged is skipped.
std::string junit_report(const CrosscheckReport& report);

/// One self-contained HTML page. `theirs` holds the pixels for the picture under a heat map of patches.
std::string html_report(const CrosscheckReport& report, const Theirs& theirs, const ModelConfig& config);

/// "noise", "same", "departs", "inherited", "made here", "not judged", "taken as input".
std::string verdict_of(const CrosscheckReport& report, const PointResult& point);

}  // namespace glmv
