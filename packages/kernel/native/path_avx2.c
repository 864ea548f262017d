#define W 4
#define PATH avx2
#include "levelled.h"
