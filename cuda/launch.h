// What every kernel file of cuda/ includes first.
#pragma once

#include "gpu/launch.h"
