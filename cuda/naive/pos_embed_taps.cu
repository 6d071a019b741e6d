#include "gpu/naive/pos_embed_taps.h"
