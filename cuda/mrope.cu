#include "gpu/mrope.h"
