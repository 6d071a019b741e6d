#include "cli/output.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <iostream>

#include "reference/core/error.h"

namespace glmv::cli {
namespace {

/// A device or pipe is written to; renaming a file over it would replace it.
bool is_special(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
}

/// All of the text or an Error: a file of this name appears when it is complete.
void write_file(const std::string& text, const std::string& path) {
  const bool special = is_special(path);
  const std::string part = special ? path : concat(path, ".part-", ::getpid());
  std::FILE* file = std::fopen(part.c_str(), "wb");
  const auto give_up = [&](const char* what) {
    const int error = errno;
    if (file) std::fclose(file);
    if (!special) std::remove(part.c_str());
    input_error(path, ": cannot ", what, ": ", std::strerror(error));
  };
  if (!file) give_up("write");
  if (std::fwrite(text.data(), 1, text.size(), file) != text.size() || std::fflush(file) != 0) give_up("write");
  if (::fsync(::fileno(file)) != 0 && errno != EINVAL) give_up("write");  // EINVAL: a pipe or device
  if (std::fclose(std::exchange(file, nullptr)) != 0) give_up("close");
  if (!special && std::rename(part.c_str(), path.c_str()) != 0) give_up("write");
}

}  // namespace

void write_result(const std::string& text, const std::string& path) {
  if (!path.empty() && path != "-") return write_file(text, path);
  std::cout << text << std::flush;
  if (!std::cout) input_error("stdout: cannot write the result");
}

void write_json(const Json& json, const std::string& path) {
  write_result(json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n', path);
}

Json result_header(const std::string& kind) {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return {{"schema", "glmv." + kind + "/1"}, {"created", text}, {"version", GLMV_VERSION}};
}

std::string grouped(int64_t n) {
  std::string digits = std::to_string(n);
  for (auto at = static_cast<int64_t>(digits.size()) - 3; at > (n < 0 ? 1 : 0); at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
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
