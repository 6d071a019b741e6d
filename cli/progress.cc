#include "cli/progress.h"

#include <unistd.h>

#include <iostream>

namespace glmv::cli {

Progress::Progress(bool quiet) : terminal_(::isatty(STDERR_FILENO) != 0), quiet_(quiet) {}
Progress::~Progress() { clear(); }

void Progress::say(const std::string& what) {
  using std::chrono::seconds;
  const auto now = Clock::now();
  const auto patience = terminal_ && shown_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(2000);
  if (quiet_ || now - start_ < seconds(2) || (shown_ && now - last_ < patience)) return;
  const auto elapsed = std::chrono::duration_cast<seconds>(now - start_).count();
  std::cerr << (terminal_ ? "\r\x1b[K" : "") << "glmv: " << elapsed << " s, " << what << (terminal_ ? "" : "\n")
            << std::flush;
  last_ = now;
  shown_ = true;
}

void Progress::clear() {
  if (shown_ && terminal_) std::cerr << "\r\x1b[K" << std::flush;
  shown_ = false;
}

}  // namespace glmv::cli
