// Marks what the shared library shows; everything else in it is hidden.
#pragma once

#define TRICKLE_API __attribute__((visibility("default")))
/// For what is declared inside a class that is shown and is nobody's business.
#define TRICKLE_HIDDEN __attribute__((visibility("hidden")))
