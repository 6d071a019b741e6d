#include "cli/signals.h"

#include <csignal>

#include "data/file.h"

namespace glmv::cli {
namespace {

volatile std::sig_atomic_t asked = 0;

void end(int signal) {
  remove_unfinished_file();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void ask(int signal) {
  asked = signal;
  std::signal(signal, end);
}

void handle(void (*handler)(int)) {
  for (const int signal : {SIGINT, SIGTERM}) {
    if (std::signal(signal, handler) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

}  // namespace

void end_on_signals() { handle(end); }
void stop_on_signals() { handle(ask); }
int stop_signal() { return asked; }

}  // namespace glmv::cli
