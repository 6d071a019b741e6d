#include "gpu/naive/table.h"
