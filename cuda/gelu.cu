#include "gpu/gelu.h"
