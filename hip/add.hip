#include "gpu/add.h"
