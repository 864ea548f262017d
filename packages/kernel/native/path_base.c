#define W 4
#define PATH base
#include "bootstrap.h"
#include "keyswitch.h"
#include "levelled.h"
#include "residues.h"
