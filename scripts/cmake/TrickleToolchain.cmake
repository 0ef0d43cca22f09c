# Language level, warnings, sanitizers, compiler cache and linker: everything that holds for all targets.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

option(TRICKLE_WERROR "Treat warnings as errors" ON)
set(TRICKLE_SANITIZE "" CACHE STRING "Value for -fsanitize=, empty for none")

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow
  $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> $<$<COMPILE_LANGUAGE:CXX>:-Woverloaded-virtual>)
if(TRICKLE_WERROR)
  add_compile_options(-Werror)
endif()

if(TRICKLE_SANITIZE)
  # Lines in reports need no more than -g1. Under the address sanitizer -O0 compiles in half the time of -O1;
  # under the thread sanitizer the tests would take too long.
  add_compile_options(-fsanitize=${TRICKLE_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${TRICKLE_SANITIZE})
  if(TRICKLE_SANITIZE MATCHES "thread")
    # Asio has fences, which GCC's thread sanitizer can't follow; it warns of each. What an optional guards, GCC at this
    # level takes for uninitialized.
    add_compile_options(-O1 -Wno-tsan -Wno-maybe-uninitialized)
  endif()
  if(TRICKLE_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()

# Start-up time is a feature of the small tools: link only what is called, resolve symbols lazily enough.
add_link_options(-Wl,--as-needed)

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE_PROGRAM}")
endif()

find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()
