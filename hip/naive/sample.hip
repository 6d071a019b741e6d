#include "gpu/naive/sample.h"
