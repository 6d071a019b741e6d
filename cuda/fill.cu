#include "gpu/fill_kernel.h"
