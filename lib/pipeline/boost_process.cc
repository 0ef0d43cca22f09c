// The one place that compiles Boost.Process v2, as its src.hpp asks for.
#include "pipeline/boost_process.h"

#include <boost/process/v2/src.hpp>
