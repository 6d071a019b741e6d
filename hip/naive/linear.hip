#include "gpu/naive/linear.h"
