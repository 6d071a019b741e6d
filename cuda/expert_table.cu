#include "gpu/expert_table_kernel.h"
