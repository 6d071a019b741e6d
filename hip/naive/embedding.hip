#include "gpu/naive/embedding.h"
