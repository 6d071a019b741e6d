// SIGINT and SIGTERM: at once by default, at the next token while an answer is written.
#pragma once

namespace glmv::cli {

/// A signal ends the program at once, wherever it is; a file that is being written is taken away first. One that the
/// caller ignores (nohup) stays ignored.
void end_on_signals();

/// From here on the first signal only asks to stop, so that what is there is printed; a second one ends the program.
void stop_on_signals();

/// The signal that asked to stop, or 0.
int stop_signal();

}  // namespace glmv::cli
