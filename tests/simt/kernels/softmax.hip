// The same source as a HIP kernel.
#define GLMV_TEST_HIP 1
#include "tests/simt/kernels/softmax.cu"
