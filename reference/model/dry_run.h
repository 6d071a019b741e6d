// What memory a pass takes, before it runs: the pass itself on a backend that computes nothing and only counts.
#pragma once

#include <functional>

#include "reference/core/arena.h"

namespace glmv {

/// A backend that plans like another one: the same scratch for the same arguments, but no op runs, nothing is copied
/// and its memory is addresses without memory behind them.
Backend dry_backend(const Backend& backend);

/// The largest number of bytes in use while `pass` makes its tensors in the arena it is given, which is of `dry`.
size_t bytes_of_pass(const Backend& dry, const std::function<void(Arena&)>& pass);

}  // namespace glmv
