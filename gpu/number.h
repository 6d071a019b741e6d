// A number as a type.
#pragma once

namespace glmv::GLMV_BACKEND {

/// A number as a type, to hand a template argument through a lambda.
template <int N>
struct Number {
  static constexpr int value = N;
};

}  // namespace glmv::GLMV_BACKEND
