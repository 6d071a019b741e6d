#include "gpu/naive/advance.h"
