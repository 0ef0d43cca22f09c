// The shared library's own translation unit: all else in it comes from the static parts.
#include "trickle/version.h"

#include "trickle/export.h"

// For programs that want to know at run time which library they found; its name can't clash with one in C++.
extern "C" TRICKLE_API const char* trickle_library_version() { return trickle::version(); }
