#include "gpu/naive/add.h"
