#include "gpu/kv_write.h"
