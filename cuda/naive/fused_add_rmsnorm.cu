#include "gpu/naive/fused_add_rmsnorm.h"
