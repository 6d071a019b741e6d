// glmv <verb> [flags]: parses, runs one verb, maps the one exception there is to an exit code.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "cli/signals.h"
#include "cli/verbs.h"
#include "reference/core/error.h"

namespace {

constexpr const char* kExitCodes =
    "Exit codes: 0 within tolerance, 1 something differs or failed its check, 2 usage or configuration error,\n"
    "3 input missing or corrupt, 4 partial, 5 a named device or backend is absent, 77 skipped, 130/143 on a signal.";

/// --max_new_tokens=5 -> --max-new-tokens=5; what follows the equals sign is left alone.
std::string with_hyphens(std::string argument) {
  if (argument.rfind("--", 0) != 0) return argument;
  const size_t end = std::min(argument.find('='), argument.size());
  std::replace(argument.begin(), argument.begin() + static_cast<std::ptrdiff_t>(end), '_', '-');
  return argument;
}

/// A verb or flag that does not exist is named; CLI11 would only say that a verb is required.
void check_verb(const CLI::App& app, const std::vector<std::string>& arguments) {
  if (arguments.empty()) return;
  const std::string& first = arguments[0];
  const bool is_flag = first.rfind('-', 0) == 0;
  if (is_flag && app.get_option_no_throw(first) != nullptr) return;
  std::string names;
  for (const CLI::App* verb : app.get_subcommands({})) {
    if (verb->check_name(first)) return;
    names += glmv::concat(names.empty() ? "" : ", ", verb->get_name());
  }
  glmv::usage_error('"', first, "\": no such verb", is_flag ? ", and no flag that stands before one" : "",
                    "; there are ", names);
}

/// A file opened in place of a closed stdin, stdout or stderr would be taken for it. Writing to these fails, as it
/// would to the closed ones.
void occupy_closed_streams() {
  for (int fd = 0; fd <= 2; ++fd) {
    if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", O_RDONLY);
  }
}

int run(int argc, char** argv) {
  using namespace glmv;
  CLI::App app{"glmv: the GLM-4.5V reference. Looks at pictures, answers, and says where another engine departs."};
  app.name("glmv");
  app.set_version_flag("--version", GLMV_VERSION);
  app.require_subcommand(1);
  app.footer(kExitCodes);
  app.failure_message([](const CLI::App*, const CLI::Error& e) {
    return concat("glmv: ", e.what(), " (--help says what there is)\n");
  });
  int exit_code = 0;
  cli::add_tour(app, exit_code);
  cli::add_info(app, exit_code);
  cli::add_preprocess(app, exit_code);
  cli::add_generate(app, exit_code);
  cli::add_trace(app, exit_code);
  cli::add_crosscheck(app, exit_code);
  cli::add_golden(app, exit_code);
  cli::add_diff(app, exit_code);
  cli::add_cases(app, exit_code);
  cli::add_bench(app, exit_code);
  cli::add_compare(app, exit_code);
  cli::add_eval(app, exit_code);
  cli::add_score(app, exit_code);
  try {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    for (std::string& argument : arguments) argument = with_hyphens(argument);
    check_verb(app, arguments);
    std::reverse(arguments.begin(), arguments.end());  // the order in which CLI11 takes a vector
    app.parse(arguments);
  } catch (const CLI::ParseError& e) {
    const bool asked_for_help = e.get_exit_code() == 0;
    app.exit(e, std::cout, std::cerr);
    if (asked_for_help && !std::cout.flush()) input_error("stdout: cannot be written");
    return asked_for_help ? 0 : static_cast<int>(ExitCode::usage);
  }
  return exit_code;
}

}  // namespace

namespace {

bool has_ended = false;

/// exit() in the midst of a command is a library's: OpenMP's, if it cannot start its threads. Its exit code would say
/// that something differs.
void refuse_exit() {
  if (!has_ended) ::_exit(static_cast<int>(glmv::ExitCode::bad_input));
}

int outcome(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const glmv::Error& e) {
    if (e.what()[0] != 0) std::cerr << "glmv: " << e.what() << '\n';
    return static_cast<int>(e.code());
  } catch (const std::bad_alloc&) {
    std::cerr << "glmv: out of memory\n";
    return static_cast<int>(glmv::ExitCode::bad_input);
  } catch (const std::length_error&) {
    std::cerr << "glmv: out of memory: something is larger than any memory\n";
    return static_cast<int>(glmv::ExitCode::bad_input);
  } catch (const std::filesystem::filesystem_error& e) {
    std::cerr << "glmv: " << e.path1().string() << ": " << e.code().message() << '\n';
    return static_cast<int>(glmv::ExitCode::bad_input);
  } catch (const std::exception& e) {
    std::cerr << "glmv: internal error: " << e.what() << '\n';
    return static_cast<int>(glmv::ExitCode::bad_input);
  }
}

}  // namespace

int main(int argc, char** argv) {
  occupy_closed_streams();
  glmv::cli::end_on_signals();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is a failed write too
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is a failed write, reported like any other
  std::atexit(refuse_exit);
  const int code = outcome(argc, argv);
  has_ended = true;
  return code;
}
