#define W 8
#define PATH avx512
#include "bootstrap.h"
#include "keyswitch.h"
#include "levelled.h"
#include "residues.h"
