#pragma once
namespace glmv::GLMV_BACKEND {
cudaError_t softmax(const float* x, float* out, int rows, int columns);
}
