// The protocol card of a benchmark, and the table of all.
#include <fmt/format.h>

#include <algorithm>

#include "eval/manifest.h"
#include "reference/core/error.h"

namespace glmv::eval {
namespace {

std::string line(const char* name, const std::string& text) {
  return text.empty() ? "" : fmt::format("{:<12}{}\n", name, text);
}

std::string list(const char* title, const std::vector<std::string>& items) {
  if (items.empty()) return "";
  std::string out = fmt::format("\n{}\n", title);
  for (const std::string& item : items) out += "  - " + item + '\n';
  return out;
}

std::string frame_text(const Frame& frame) {
  std::string out = fmt::format("\nPrompt \"{}\" ({})\n", frame.name, frame.source);
  std::string text = frame.system.empty() ? "" : "[system] " + frame.system + '\n';
  for (const PromptPart& part : frame.parts) {
    std::string condition = part.if_field.empty() ? "" : "if " + part.if_field;
    for (const auto& [name, value] : part.when.items())
      condition += fmt::format("{}{} is {}", condition.empty() ? "" : ", ", name, value.dump());
    text += condition.empty() ? part.text : fmt::format("[{}: {}]", condition, part.text);
  }
  for (size_t from = 0; from <= text.size();) {
    const size_t end = std::min(text.find('\n', from), text.size());
    out += "    " + text.substr(from, end - from) + '\n';
    from = end + 1;
  }
  return out;
}

std::string layout_text(const Layout& layout) {
  std::string files;
  for (const std::string& file : layout.files) {
    const auto hash = layout.hashes.find(file);
    files += (files.empty() ? "" : ", ") + file + (hash == layout.hashes.end() ? "" : " (" + hash->second + ")");
  }
  return fmt::format("  - {}: {}\n", layout.kind, files);
}

std::string published_text(const std::vector<Published>& all) {
  std::string out;
  for (const Published& p : all) {
    if (p.value)
      out += fmt::format("  {:<30}{:>6.1f}{:<3}{}\n", p.model, *p.value, p.mark,
                         p.table == "main" ? "" : p.table + " table");
  }
  if (out.empty()) return "";
  const bool of_report = std::any_of(all.begin(), all.end(), [](const Published& p) { return p.table != "twin"; });
  const char* title = !of_report ? "\nKnown\n"
                                 : "\nPublished in the report, arXiv 2507.01006 (\"second table\": GLM-4.1V-9B beside "
                                   "models of its size; * reproduced\n"
                                   "by the report's authors, † taken from a third party)\n";
  return title + out;
}

/// 0 stands for the model's own limit.
std::string tokens_text(int64_t tokens) { return tokens == 0 ? "the model's own limit of" : std::to_string(tokens); }

std::string rules_text(const std::vector<RuleSpec>& rules) {
  size_t width = 0;
  for (const RuleSpec& rule : rules) width = std::max(width, rule.name.size());
  std::string out = "\nRules, the first gives the headline\n";
  for (const RuleSpec& rule : rules)
    out += fmt::format("  {:<{}}  {} (looks at: {})\n", rule.name, width, rule.what, rule.reply);
  return out;
}

/// "1500, as the data set's card counts them"; the note alone where the number is not known.
std::string samples_text(const Manifest& m) {
  if (!m.samples) return m.samples_note.empty() ? "not known" : m.samples_note;
  return std::to_string(*m.samples) + (m.samples_note.empty() ? "" : ", " + m.samples_note);
}

}  // namespace

std::string protocol_card(const Manifest& m) {
  std::string out = fmt::format("{} ({})\n{}\n\n", m.name, m.id, m.what);
  out += line("category", m.category) + line("modality", m.modality) + line("answer", m.answer_type) +
         line("metric", m.metric);
  out += line("split", m.split + (m.split_note.empty() ? "" : " (" + m.split_note + ")"));
  out += line("samples", samples_text(m));
  out += line("licence", m.licence) + line("repository", m.repository) + line("where", m.location) +
         line("to get it", m.obtain);
  out += line("judge", m.needs_judge ? m.judge_model : "none") + line("bring", m.environment);
  out += line("limits", fmt::format("{} new tokens, {} visual tokens per picture, {} per clip", m.max_new_tokens,
                                    tokens_text(m.image_tokens), tokens_text(m.video_tokens)));
  out += "\nFiles that are read, the first that is there\n";
  for (const Layout& layout : m.layouts) out += layout_text(layout);
  if (!m.hash_note.empty()) out += "  hashes: " + m.hash_note + '\n';
  for (const Frame& frame : m.frames) out += frame_text(frame);
  out += rules_text(m.rules);
  std::string ids;
  for (const std::string& id : m.algorithms) ids += (ids.empty() ? "" : ", ") + id;
  out += line("\nalgorithms ", ids);
  return out + published_text(m.published) + list("Open questions", m.open_questions) + list("Notes", m.notes);
}

std::string manifest_table(const std::vector<Manifest>& all) {
  std::string out = "| id | name | category | split | samples | judge | rules |\n|---|---|---|---|---|---|---|\n";
  for (const Manifest& m : all) {
    std::string rules;
    for (const RuleSpec& rule : m.rules) rules += (rules.empty() ? "" : ", ") + rule.name;
    out += fmt::format("| {} | {} | {} | {} | {} | {} | {} |\n", m.id, m.name, m.category, m.split,
                       m.samples ? std::to_string(*m.samples) : "?", m.needs_judge ? "yes" : "no", rules);
  }
  return out;
}

}  // namespace glmv::eval
