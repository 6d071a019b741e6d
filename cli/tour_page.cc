#include "cli/tour_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "cli/output.h"
#include "data/file.h"

namespace glmv::cli {
namespace {
namespace fs = std::filesystem;

constexpr const char* kHead =
    "<!doctype html><html lang=en><meta charset=utf-8><title>glmv: the tiny twin's held-out pictures</title>\n"
    "<style>body{font:15px system-ui;margin:2em;max-width:75em}\n"
    "figure{display:inline-block;vertical-align:top;width:17em;margin:0 1em 1.5em 0}\n"
    "img{width:112px;image-rendering:pixelated;border:1px solid #ccc;margin-right:3px}\n"
    ".w{color:#a40}.r{color:#070}td,th{padding:.1em 1em .1em 0;text-align:left}</style>\n"
    "<h1>Held-out pictures and the tiny model's answers</h1>\n"
    "<p>The model was not trained on these pictures. <b class=r>Green</b>: right. <b class=w>Brown</b>: wrong, with "
    "the "
    "right answer behind it. <i>Thinking</i>: the model wrote down its reasoning first.\n";

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  return out;
}

struct Total {
  int64_t asked = 0, right = 0, same_tokens = 0;
  void add(const Asked& a) { ++asked, right += a.right, same_tokens += a.same_tokens; }
};

std::string total_row(const std::string& kind, const Total& t) {
  return fmt::format("<tr><td>{}<td>{}<td>{}<td>{}\n", escaped(kind), t.asked, t.right, t.same_tokens);
}

std::string totals_table(const std::vector<Asked>& all) {
  std::map<std::string, Total> kinds;
  Total sum;
  for (const Asked& a : all) kinds[a.kind].add(a), sum.add(a);
  std::string html = "<table><tr><th>kind<th>asked<th>right<th>tokens of Hugging Face\n";
  for (const auto& [kind, total] : kinds) html += total_row(kind, total);
  return html + total_row("all", sum) + "</table>\n";
}

/// A picture is its own copy where the page is written beside it.
void copy_picture(const std::string& from, const std::string& to) {
  std::error_code error;
  if (fs::equivalent(from, to, error)) return;
  check_keeps_inputs(to);
  write_result(read_file(from), to);
}

std::string figure(const Asked& a, const std::string& folder) {
  std::string html = "<figure>";
  for (const std::string& picture : a.pictures) {
    const std::string copy = fs::path(picture).filename().string();
    copy_picture(picture, (fs::path(folder) / copy).string());
    html += fmt::format("<img alt=\"\" src=\"{}\">", escaped(copy));
  }
  return html + fmt::format("<figcaption>{}{}<br><b class={}>{}</b>{}</figcaption></figure>\n", escaped(a.question),
                            a.thinking ? " <i>Thinking</i>" : "", a.right ? "r" : "w", escaped(a.ours),
                            a.right ? "" : escaped(fmt::format(" (it is {})", a.gold)));
}

}  // namespace

void write_tour_page(const std::vector<Asked>& all, const std::string& folder) {
  std::string html = kHead + totals_table(all);
  for (const Asked& a : all) html += figure(a, folder);
  write_result(html, folder + "/index.html");
}

}  // namespace glmv::cli
