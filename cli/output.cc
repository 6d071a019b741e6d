#include "cli/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "data/file.h"
#include "reference/core/error.h"
#include "reference/core/utc.h"

namespace glmv::cli {
namespace {
namespace fs = std::filesystem;

void check_output_folder(const std::string& path) {
  std::error_code error;
  if (fs::exists(path, error) && !fs::is_directory(path, error)) input_error(path, ": exists and is not a folder");
  fs::create_directories(path, error);
  if (error) input_error(path, ": the folder cannot be made: ", error.message());
  check_can_write(concat(path, "/index.html"), Devices::refused);  // a file that could be in it
}

}  // namespace

bool is_stdout(const std::string& path) { return path.empty() || path == "-" || path == "/dev/stdout"; }

bool stdout_is_gone() {
  const int flags = ::fcntl(STDOUT_FILENO, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY) return true;
  pollfd out{STDOUT_FILENO, 0, 0};
  return ::poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLNVAL)) != 0;
}

void check_output(const std::string& path, Output what, const char* flag) {
  if (what == Output::text && is_stdout(path)) {
    if (stdout_is_gone()) input_error("stdout: is closed, so the result cannot be written");
    return;
  }
  if (is_stdout(path)) {
    const char* kind = what == Output::folder    ? "a folder"
                       : what == Output::picture ? "a picture (PNG)"
                                                 : "a safetensors file";
    usage_error(flag, " \"", path, "\": ", kind, " is not written to stdout; give a name");
  }
  if (what == Output::folder) return check_output_folder(path);
  check_can_write(path, what == Output::text ? Devices::written : Devices::refused);
}

void check_keeps_inputs(const std::string& path) {
  if (!is_stdout(path) && was_read(path)) usage_error("-o ", path, ": is read by this command and would be replaced");
}

void write_result(const std::string& text, const std::string& path) {
  if (!is_stdout(path)) {
    OutputFile file(path, Devices::written);
    file.write(text.data(), text.size());
    return file.commit();
  }
  errno = 0;
  std::cout << text << std::flush;
  if (!std::cout && errno == EPIPE) throw Error(ExitCode::bad_input, "");  // who reads has read enough, as `head` does
  if (!std::cout) input_error("stdout: cannot write the result");
}

void write_json(const Json& json, const std::string& path) {
  write_result(json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n', path);
}

Json result_header(const std::string& kind) {
  return {{"schema", "glmv." + kind + "/1"}, {"created", now_utc()}, {"version", GLMV_VERSION}};
}

std::string command_line() {
  std::ifstream in("/proc/self/cmdline");
  std::string line, word;
  while (std::getline(in, word, '\0')) line += line.empty() ? "glmv" : ' ' + word;
  return line;
}

std::string grouped(int64_t n) {
  std::string digits = std::to_string(n);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > (n < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<size_t>(at), 1, ',');
  return digits;
}

std::string bytes_text(int64_t n) {
  const auto x = static_cast<double>(n);
  if (n >= int64_t(1) << 30) return fmt::format("{:.2f} GiB", x / (1 << 30));
  if (n >= int64_t(1) << 20) return fmt::format("{:.1f} MiB", x / (1 << 20));
  if (n >= int64_t(1) << 10) return fmt::format("{:.1f} KiB", x / (1 << 10));
  return fmt::format("{} bytes", n);
}

}  // namespace glmv::cli
