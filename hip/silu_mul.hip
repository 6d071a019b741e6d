#include "gpu/silu_mul.h"
