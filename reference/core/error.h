// Errors: one exception type, one macro, the exit codes of the command line.
//
// Libraries throw; `main` catches once and turns the code into the process's exit code.
// Nothing here aborts, asserts or exits. Included by device code, so it is plain C++17.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace glmv {

/// The process exit codes every verb documents.
enum class ExitCode : int {
  ok = 0,         ///< done, within tolerance
  differs = 1,    ///< something differs, regressed or failed its check
  usage = 2,      ///< wrong flags, or a configuration we do not understand
  bad_input = 3,  ///< an input is missing, corrupt or contradicts another
  partial = 4,    ///< what was done is saved, but not everything was done
  no_device = 5,  ///< a device or backend that was named is absent
  skipped = 77,   ///< nothing was checked
};

/// The only exception the libraries throw. `what()` is one sentence that names file, field and value.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& what) : std::runtime_error(what), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

/// All parts printed one after the other.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Wrong flags or an unsupported configuration: exit code 2.
template <class... Parts>
[[noreturn]] void usage_error(const Parts&... parts) {
  throw Error(ExitCode::usage, concat(parts...));
}

/// A file or value from outside that cannot be used: exit code 3.
template <class... Parts>
[[noreturn]] void input_error(const Parts&... parts) {
  throw Error(ExitCode::bad_input, concat(parts...));
}

namespace detail {
/// Throws "file:line: condition is false: parts". Path is cut to the part below the repository root.
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& parts);
}  // namespace detail

}  // namespace glmv

/// Checks a contract; the parts say what was found ("q ", q, " vs k ", k).
#define GLMV_CHECK(condition, ...)                                                                               \
  do {                                                                                                           \
    if (!(condition)) ::glmv::detail::check_failed(__FILE__, __LINE__, #condition, ::glmv::concat(__VA_ARGS__)); \
  } while (false)
