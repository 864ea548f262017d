#define W 4
#define PATH avx2
#include "bootstrap.h"
#include "keyswitch.h"
#include "levelled.h"
#include "residues.h"
