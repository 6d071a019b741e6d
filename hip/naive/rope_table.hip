#include "gpu/naive/rope_table.h"
