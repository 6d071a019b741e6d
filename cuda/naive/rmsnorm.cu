#include "gpu/naive/rmsnorm.h"
