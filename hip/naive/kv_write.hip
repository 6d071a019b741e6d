#include "gpu/naive/kv_write.h"
