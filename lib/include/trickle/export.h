// Marks what the shared library shows; everything else in it is hidden.
#pragma once

#define TRICKLE_API __attribute__((visibility("default")))
