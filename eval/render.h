// Pages in a headless Chromium, where there is one: pictures of them, and where their text stands.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "eval/benchmark.h"

namespace glmv::eval {

/// The browser: $GLMV_BROWSER, else chromium, chromium-browser or google-chrome of PATH. "" = there is none.
std::string find_browser();

/// A PNG of the whole page, at least 1920 x 1080. False if there is no browser. Error (exit code 3) if it fails.
bool screenshot(const std::string& html, const std::string& png);

/// The text blocks of a page as [{"text", "bbox": [x, y, w, h] in shares of the page, "color": [r, g, b]}]: each run of
/// text in one element, where the browser lays it out. The published metric finds them by recolouring text and
/// comparing pictures; the page's own layout gives the same boxes without OCR, but colours that CSS says rather than
/// those drawn.
std::optional<nlohmann::json> page_blocks(const std::string& html);

/// Where a run keeps the pictures its judge looks at: reference first, then the rendered answer. Empty if they are not
/// there.
std::vector<std::string> pictures_for_judge(const std::string& run, const std::string& task, const std::string& sample);
/// Their file names.
std::string judge_picture(const std::string& run, const std::string& task, const std::string& sample, bool reference);

/// Makes those pictures for every answered sample of the tasks whose judge sees pictures: the sample's own first
/// picture (or its "html", rendered) and the page in the answer. Does nothing without a browser.
void render_answers(const std::vector<Benchmark>& benchmarks, const std::string& run);

}  // namespace glmv::eval
