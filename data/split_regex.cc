#include "data/split_regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "data/regex_dialect.h"
#include "data/utf8.h"
#include "reference/core/error.h"

namespace glmv {
namespace {

template <auto free_function>
struct Free {
  template <class T>
  void operator()(T* p) const {
    free_function(p);
  }
};
using CodePtr = std::unique_ptr<pcre2_code, Free<pcre2_code_free>>;
using CompileContextPtr = std::unique_ptr<pcre2_compile_context, Free<pcre2_compile_context_free>>;
using MatchContextPtr = std::unique_ptr<pcre2_match_context, Free<pcre2_match_context_free>>;
using MatchDataPtr = std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>>;

constexpr size_t kMaxPattern = size_t{1} << 16;
constexpr uint32_t kHeapLimitKib = 256 * 1024;
constexpr uint32_t kMinMatchSteps = 1'000'000;
constexpr uint32_t kStepsPerByte = 64;  // an honest pattern backs up over a long run of blanks a few times

std::string pcre2_message(int error) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(error, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

PCRE2_SPTR units(std::string_view s) { return reinterpret_cast<PCRE2_SPTR>(s.data()); }

/// pcre2_match with the interpreter as the second try: the JIT's stack is small and fixed.
int match(const pcre2_code* code, std::string_view text, size_t from, pcre2_match_data* data,
          pcre2_match_context* context) {
  const int rc = pcre2_match(code, units(text), text.size(), from, PCRE2_NO_UTF_CHECK, data, context);
  if (rc != PCRE2_ERROR_JIT_STACKLIMIT) return rc;
  return pcre2_match(code, units(text), text.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data, context);
}

uint32_t step_limit(size_t bytes) {
  const uint64_t wanted = kMinMatchSteps + uint64_t{kStepsPerByte} * bytes;
  return static_cast<uint32_t>(std::min<uint64_t>(wanted, std::numeric_limits<uint32_t>::max()));
}

}  // namespace

struct SplitRegex::Code {
  CodePtr code;
};

SplitRegex SplitRegex::compile(std::string_view pattern, const std::string& where) {
  const std::string translated = translate_regex(pattern, where);
  if (translated.size() > kMaxPattern)
    input_error(where, ": the regex has ", pattern.size(), " bytes, which is too many");
  const CompileContextPtr context(pcre2_compile_context_create(nullptr));
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);  // what "." excludes must not depend on how PCRE2 was built
  int error = 0;
  PCRE2_SIZE offset = 0;
  CodePtr code(pcre2_compile(units(translated), translated.size(), PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C,
                             &error, &offset, context.get()));
  if (!code) {
    input_error(where, ": the regex ", pattern, " does not compile: ", pcre2_message(error), " (after ",
                std::string_view(translated).substr(0, offset), ")");
  }
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);  // where the JIT is not to be had, the interpreter gives the same
  SplitRegex regex;
  regex.where_ = where;
  regex.code_ = std::make_shared<const Code>(Code{std::move(code)});
  return regex;
}

void SplitRegex::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  pieces.clear();
  const pcre2_code* code = code_->code.get();
  const MatchDataPtr data(pcre2_match_data_create(1, nullptr));
  const MatchContextPtr context(pcre2_match_context_create(nullptr));
  pcre2_set_match_limit(context.get(), step_limit(text.size()));
  pcre2_set_heap_limit(context.get(), kHeapLimitKib);
  const auto add = [&](size_t begin, size_t end) {
    if (begin < end) pieces.push_back(text.substr(begin, end - begin));
  };
  size_t done = 0;  // everything before is in a piece
  for (size_t from = 0; from < text.size();) {
    const int rc = match(code, text, from, data.get(), context.get());
    if (rc == PCRE2_ERROR_NOMATCH) break;
    if (rc < 0) input_error(where_, ": matching at byte ", from, " of a text failed: ", pcre2_message(rc));
    const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data.get());
    add(done, span[0]);
    add(span[0], span[1]);
    done = span[1];
    // After an empty match the search goes on behind the next character, or it would stand still.
    from = span[1] > span[0] || done == text.size() ? done : done + utf8_step(text.substr(done)).length;
  }
  add(done, text.size());
}

}  // namespace glmv
