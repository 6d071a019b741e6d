#include "gpu/naive/splice.h"
