# One function for each kind of target, so that the CMakeLists files of the folders only list what is theirs.

# trickle_library(NAME SOURCES a.cc b.cc DEPS trickle_x PRIVATE_DEPS Pkg::y)
# A static library named trickle_NAME. DEPS are the arrows of the house (the table of CONTRIBUTING.md);
# PRIVATE_DEPS are third-party packages that no header of the folder shows.
function(trickle_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(trickle_${name} STATIC ${ARG_SOURCES})
  target_include_directories(trickle_${name} PUBLIC "${PROJECT_SOURCE_DIR}/lib" "${PROJECT_SOURCE_DIR}/lib/include"
                                                    "${PROJECT_BINARY_DIR}/generated")
  target_link_libraries(trickle_${name} PUBLIC ${ARG_DEPS} PRIVATE ${ARG_PRIVATE_DEPS})
endfunction()

# trickle_tool(trickle-x [QUICK_START|QUICKER_START] DEPS trickle_y): tools/trickle_x.cc becomes bin/trickle-x.
# QUICK_START: with fmt and spdlog inside, which saves the loader 1 ms. QUICKER_START: with the C++ library inside
# too, another one, where nothing else links that. What fmt's sources instantiate is known for 9 and 10.
function(trickle_tool name)
  cmake_parse_arguments(ARG "QUICK_START;QUICKER_START" "" "DEPS" ${ARGN})
  string(REPLACE "-" "_" source "${name}")
  add_executable(${name} "${PROJECT_SOURCE_DIR}/tools/${source}.cc")
  target_link_libraries(${name} PRIVATE trickle_cli ${ARG_DEPS})
  if(NOT TRICKLE_SANITIZE AND fmt_VERSION VERSION_GREATER_EQUAL 9 AND fmt_VERSION VERSION_LESS 11)
    if(ARG_QUICK_START OR ARG_QUICKER_START)
      target_sources(${name} PRIVATE $<TARGET_OBJECTS:trickle_built_in>)
    endif()
    if(ARG_QUICKER_START)
      target_link_options(${name} PRIVATE -static-libstdc++ -static-libgcc)
    endif()
  endif()
  install(TARGETS ${name} RUNTIME COMPONENT trickle-tools)
endfunction()

# trickle_test(NAME SOURCES a_test.cc DEPS trickle_x [LABEL unit|integration])
# A GoogleTest program whose test cases are registered with ctest one by one. Building tests_LABEL builds all of a kind.
function(trickle_test name)
  cmake_parse_arguments(ARG "" "LABEL" "SOURCES;DEPS" ${ARGN})
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_include_directories(${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests" "${PROJECT_BINARY_DIR}/generated")
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  # A test compiles more often than it runs.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
  add_dependencies(tests_${ARG_LABEL} ${name})
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS ${ARG_LABEL} TIMEOUT 120)
endfunction()
