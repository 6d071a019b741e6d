#include "eval/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "reference/core/error.h"

namespace glmv::py {
namespace {

constexpr uint32_t kHeapLimitKib = 256 * 1024;
constexpr uint32_t kLeastSteps = 5'000'000;  // from one start of a match
constexpr uint32_t kStepsPerByte = 64;

PCRE2_SPTR units(std::string_view s) { return reinterpret_cast<PCRE2_SPTR>(s.data()); }

std::string pcre2_message(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

uint32_t step_limit(size_t bytes) {
  return static_cast<uint32_t>(
      std::min<uint64_t>(kLeastSteps + uint64_t{kStepsPerByte} * bytes, std::numeric_limits<uint32_t>::max()));
}

uint32_t pcre2_options(unsigned flags) {
  uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
  if ((flags & kIgnoreCase) != 0) options |= PCRE2_CASELESS;
  if ((flags & kDotAll) != 0) options |= PCRE2_DOTALL;
  if ((flags & kMultiline) != 0) options |= PCRE2_MULTILINE;
  return options;
}

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code;
};

std::string_view Match::group(size_t i) const {
  return has(i) ? text_.substr(start(i), end(i) - start(i)) : std::string_view{};
}

Regex::Regex(std::string_view pattern, unsigned flags) : pattern_(pattern) {
  const std::string translated = to_pcre2(pattern, flags);
  const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(
      pcre2_compile_context_create(nullptr), &pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);  // what "." and "$" mean must not depend on how PCRE2 was built
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code =
      pcre2_compile(units(translated), translated.size(), pcre2_options(flags), &error, &offset, context.get());
  GLMV_CHECK(code != nullptr, "regular expression ", pattern, ": ", pcre2_message(error), " at byte ", offset);
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where the JIT is not to be had, the interpreter gives the same
  code_ = std::make_shared<const Code>(Code{{code, &pcre2_code_free}});
}

std::optional<Match> Regex::run(std::string_view text, size_t from, unsigned options) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(
      pcre2_match_data_create_from_pattern(code_->code.get(), nullptr), &pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> limits(
      pcre2_match_context_create(nullptr), &pcre2_match_context_free);
  pcre2_set_match_limit(limits.get(), step_limit(text.size()));
  pcre2_set_heap_limit(limits.get(), kHeapLimitKib);
  const auto attempt = [&](uint32_t more) {
    return pcre2_match(code_->code.get(), units(text), text.size(), from, PCRE2_NO_UTF_CHECK | options | more,
                       data.get(), limits.get());
  };
  int rc = attempt(0);
  if (rc == PCRE2_ERROR_JIT_STACKLIMIT) rc = attempt(PCRE2_NO_JIT);  // the JIT's stack is small and fixed
  if (rc == PCRE2_ERROR_NOMATCH) return std::nullopt;
  if (rc < 0)
    input_error("a text of ", text.size(), " bytes: searching for ", pattern_, " failed: ", pcre2_message(rc));
  Match match;
  match.text_ = text;
  const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data.get());
  for (uint32_t i = 0; i < pcre2_get_ovector_count(data.get()); ++i)
    match.spans_.emplace_back(span[2 * i], span[2 * i + 1]);
  return match;
}

std::optional<Match> Regex::search(std::string_view text, size_t from) const { return run(text, from, 0); }

std::optional<Match> Regex::match(std::string_view text) const { return run(text, 0, PCRE2_ANCHORED); }

std::optional<Match> Regex::match_at(std::string_view text, size_t from) const {
  return run(text, from, PCRE2_ANCHORED);
}

std::optional<Match> Regex::full_match(std::string_view text) const {
  return run(text, 0, PCRE2_ANCHORED | PCRE2_ENDANCHORED);
}

void Regex::each(std::string_view text, const std::function<void(const Match&)>& visit) const {
  unsigned options = 0;
  for (size_t from = 0;;) {
    const std::optional<Match> match = run(text, from, options);
    if (!match) return;
    visit(*match);
    from = match->end();
    // Python goes on where a match ended; after an empty one only with a match that is not empty there.
    options = match->start() == match->end() ? PCRE2_NOTEMPTY_ATSTART : 0;
  }
}

std::vector<Match> Regex::all(std::string_view text) const {
  std::vector<Match> found;
  each(text, [&](const Match& m) { found.push_back(m); });
  return found;
}

std::optional<Match> Regex::last(std::string_view text) const {
  std::optional<Match> found;
  each(text, [&](const Match& m) { found = m; });
  return found;
}

std::string Regex::replace(std::string_view text, std::string_view with) const {
  return replace(text, [&](const Match&) { return std::string(with); });
}

std::string Regex::replace(std::string_view text, const std::function<std::string(const Match&)>& with) const {
  std::string out;
  size_t done = 0;
  each(text, [&](const Match& m) {
    out.append(text.substr(done, m.start() - done)).append(with(m));
    done = m.end();
  });
  return out.append(text.substr(done));
}

std::vector<std::string_view> Regex::split(std::string_view text) const {
  std::vector<std::string_view> parts;
  size_t done = 0;
  each(text, [&](const Match& m) {
    parts.push_back(text.substr(done, m.start() - done));
    done = m.end();
  });
  parts.push_back(text.substr(done));
  return parts;
}

}  // namespace glmv::py
