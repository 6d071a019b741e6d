#include "gpu/naive/layernorm.h"
