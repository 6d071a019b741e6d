#include "data/html.h"

namespace glmv {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, sans-serif; color: #1c1c1c; background: #fff; margin: 0 auto; max-width: 1080px; padding: 24px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 32px 0 8px; }
p { margin: 6px 0; max-width: 75ch; } .quiet { color: #555; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th { text-align: left; border-bottom: 2px solid #444; padding: 4px 8px 4px 0; vertical-align: bottom; }
td { border-bottom: 1px solid #ddd; padding: 3px 8px 3px 0; vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
code { font: 12px ui-monospace, monospace; overflow-wrap: anywhere; }
.bad { color: #a40000; font-weight: 600; } .warn { color: #7a4b00; }
svg { width: 100%; height: auto; } .grid { stroke: #e2e2e2; } .tick { font: 12px system-ui, sans-serif; fill: #333; }
.axis, .label { font: 13px system-ui, sans-serif; fill: #111; }
@media print {
  @page { size: A4; margin: 12mm; }
  body { padding: 0; max-width: none; font-size: 10pt; } table { font-size: 8.5pt; }
  h2 { break-after: avoid; } tr, svg { break-inside: avoid; } thead { display: table-header-group; }
}
)";

}  // namespace

std::string html_escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string html_head(const std::string& title, const std::string& style) {
  return "<!doctype html><html lang='en'><head><meta charset='utf-8'><meta name='viewport' "
         "content='width=device-width, "
         "initial-scale=1'><title>" +
         html_escaped(title) + "</title><style>" + kStyle + style + "</style></head><body>";
}

}  // namespace glmv
