// What Boost.Process v2 as it stands in 1.81 uses without including it; include this before any of its
// headers.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/core/exchange.hpp>
#include <boost/optional.hpp>
#include <boost/type_traits.hpp>
