// A kernel and its arguments, bound and run.
#pragma once

#include <cstddef>
#include <type_traits>

#include "simt/engine.h"
#include "simt/facade/common/vector_types.h"

inline namespace glmv_simt_facade {

/// Where and how a kernel is launched; the macros gpu_launch and hipLaunchKernelGGL fill in the name and the place.
struct LaunchSite {
  ::glmv::simt::Dialect dialect;
  const char* kernel;
  ::glmv::simt::Place place;
};

template <class... Params, class... Args>
::glmv::simt::LaunchStatus run_kernel(const LaunchSite& site, void (*kernel)(Params...), dim3 grid, dim3 block,
                                      size_t dynamic_shared, const Args&... args) {
  static_assert(sizeof...(Params) == sizeof...(Args), "one argument per kernel parameter");
  const auto call = [&] { kernel(static_cast<Params>(args)...); };  // every thread gets copies of its own
  using Call = std::remove_const_t<decltype(call)>;
  ::glmv::simt::LaunchConfig config;
  config.kernel = site.kernel;
  config.place = site.place;
  config.dialect = site.dialect;
  config.grid = grid;
  config.block = block;
  config.dynamic_shared = dynamic_shared;
  config.function = reinterpret_cast<const void*>(kernel);
  return ::glmv::simt::launch(config, {[](const void* closure) { (*static_cast<const Call*>(closure))(); }, &call});
}

}  // namespace glmv_simt_facade
