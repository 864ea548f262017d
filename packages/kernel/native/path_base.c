#define W 4
#define PATH base
#include "levelled.h"
