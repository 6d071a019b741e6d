// What the HTML pages that tools write have in common: one look, and text that stays text.
#pragma once

#include <string>

namespace glmv {

/// & < > and quotes made harmless.
std::string html_escaped(const std::string& text);

/// The head of a self-contained page up to <body>: fonts, tables, plots, and how they print on A4. `style` adds rules.
std::string html_head(const std::string& title, const std::string& style);

}  // namespace glmv
