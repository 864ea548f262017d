#define W 8
#define PATH avx512
#include "levelled.h"
