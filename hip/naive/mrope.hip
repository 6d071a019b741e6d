#include "gpu/naive/mrope.h"
