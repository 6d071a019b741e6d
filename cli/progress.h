// Progress on stderr: nothing for the first two seconds, then a line that is renewed on a terminal or repeated in a
// log.
#pragma once

#include <chrono>
#include <string>

namespace glmv::cli {

class Progress {
 public:
  explicit Progress(bool quiet = false);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Says what is being done; cheap enough to be called often.
  void say(const std::string& what);
  /// Takes the line off the terminal.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now(), last_{};
  bool terminal_, quiet_, shown_ = false;
};

}  // namespace glmv::cli
