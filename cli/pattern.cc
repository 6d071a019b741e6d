#include "cli/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "reference/core/error.h"

namespace glmv::cli {
namespace {

constexpr size_t kMostBytes = 4096;
constexpr uint32_t kMostSteps = 1'000'000;  // of one search: a name has a hundred bytes
constexpr uint32_t kMostDepth = 10'000;
constexpr uint32_t kHeapLimitKib = 64 * 1024;

std::string pcre2_message(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

PCRE2_SPTR units(std::string_view s) { return reinterpret_cast<PCRE2_SPTR>(s.data()); }

}  // namespace

struct Pattern::Code {
  std::unique_ptr<pcre2_code, decltype(&pcre2_code_free)> code;
};

Pattern Pattern::compile(const std::string& pattern, const std::string& where) {
  if (pattern.size() > kMostBytes) {
    usage_error(where, ' ', pattern.substr(0, 40), "...: a regular expression of ", pattern.size(), " bytes, at most ",
                kMostBytes, " are taken");
  }
  int error = 0;
  PCRE2_SIZE offset = 0;
  pcre2_code* code = pcre2_compile(units(pattern), pattern.size(), PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (code == nullptr) {
    usage_error(where, ' ', pattern, ": not a regular expression: ", pcre2_message(error), " (at byte ", offset, ')');
  }
  Pattern out;
  out.pattern_ = pattern;
  out.where_ = where;
  out.code_ = std::make_shared<const Code>(Code{{code, &pcre2_code_free}});
  return out;
}

bool Pattern::found_in(std::string_view text) const {
  const std::unique_ptr<pcre2_match_data, decltype(&pcre2_match_data_free)> data(pcre2_match_data_create(1, nullptr),
                                                                                 &pcre2_match_data_free);
  const std::unique_ptr<pcre2_match_context, decltype(&pcre2_match_context_free)> context(
      pcre2_match_context_create(nullptr), &pcre2_match_context_free);
  pcre2_set_match_limit(context.get(), kMostSteps);
  pcre2_set_depth_limit(context.get(), kMostDepth);
  pcre2_set_heap_limit(context.get(), kHeapLimitKib);
  const int rc = pcre2_match(code_->code.get(), units(text), text.size(), 0, 0, data.get(), context.get());
  if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
    usage_error(where_, ' ', pattern_, ": takes too long on ", text, ": ", pcre2_message(rc));
  }
  return rc >= 0;
}

}  // namespace glmv::cli
