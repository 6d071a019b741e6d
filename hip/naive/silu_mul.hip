#include "gpu/naive/silu_mul.h"
