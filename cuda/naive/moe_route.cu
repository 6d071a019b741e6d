#include "gpu/naive/moe_route.h"
