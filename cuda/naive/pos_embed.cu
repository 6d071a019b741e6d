#include "gpu/naive/pos_embed.h"
