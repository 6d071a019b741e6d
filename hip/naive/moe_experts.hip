#include "gpu/naive/moe_experts.h"
