#include "gpu/naive/attention.h"
