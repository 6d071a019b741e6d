#include "gpu/naive/gelu.h"
