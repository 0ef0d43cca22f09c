# What is installed beside the programs, and the Debian packages. scripts/package/build makes those; it sets
# TRICKLE_PACKAGE, which lays files out as Debian does.
include(GNUInstallDirs)
option(TRICKLE_PACKAGE "Lay files out for Debian packages" OFF)

set(tools trickle-bench trickle-decode trickle-encode trickle-fx trickle-pub trickle-relay trickle-serve trickle-sub)
set(generated "${PROJECT_BINARY_DIR}/package")

# Completions are printed by the programs themselves, so they know every option and no other.
set(completions)
foreach(tool IN LISTS tools)
  set(script "${generated}/completions/${tool}")
  add_custom_command(OUTPUT "${script}.bash" "${script}.zsh" "${script}.fish"
    COMMAND "${CMAKE_COMMAND}" -E make_directory "${generated}/completions"
    COMMAND ${tool} --completion bash > "${script}.bash"
    COMMAND ${tool} --completion zsh > "${script}.zsh"
    COMMAND ${tool} --completion fish > "${script}.fish"
    DEPENDS ${tool} VERBATIM)
  list(APPEND completions "${script}.bash")
  install(FILES "${script}.bash" RENAME "${tool}" COMPONENT trickle-tools
    DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
  install(FILES "${script}.zsh" RENAME "_${tool}" COMPONENT trickle-tools
    DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions")
  install(FILES "${script}.fish" RENAME "${tool}.fish" COMPONENT trickle-tools
    DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
endforeach()
add_custom_target(completions ALL DEPENDS ${completions})

# Manual pages, compressed without a date so that two builds give the same bytes.
file(GLOB pages CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/man/*.[1-8]")
set(compressed)
foreach(page IN LISTS pages)
  cmake_path(GET page FILENAME name)
  string(REGEX MATCH "[1-8]$" section "${name}")
  set(out "${generated}/man/${name}.gz")
  add_custom_command(OUTPUT "${out}" COMMAND gzip -9nc "${page}" > "${out}" DEPENDS "${page}" VERBATIM)
  list(APPEND compressed "${out}")
  install(FILES "${out}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}" COMPONENT trickle-tools)
endforeach()
file(MAKE_DIRECTORY "${generated}/man")
add_custom_target(manual ALL DEPENDS ${compressed})

# Services: what holds for both, and where they differ.
function(trickle_service name)
  cmake_parse_arguments(ARG "" "proc_subset" "" ${ARGN})
  set(proc_subset "${ARG_proc_subset}")
  file(READ "${PROJECT_SOURCE_DIR}/scripts/package/systemd/hardening.conf" hardening)
  string(CONFIGURE "${hardening}" hardening @ONLY)
  string(STRIP "${hardening}" hardening)
  configure_file("${PROJECT_SOURCE_DIR}/scripts/package/systemd/${name}.service.in" "${generated}/${name}.service" @ONLY)
endfunction()
trickle_service(trickle-relay proc_subset pid)
trickle_service(trickle-serve proc_subset all)  # Libraries of codecs and models look at /proc/cpuinfo.
install(FILES "${generated}/trickle-relay.service" "${generated}/trickle-serve.service"
  DESTINATION lib/systemd/system COMPONENT trickle-tools)
install(FILES "${PROJECT_SOURCE_DIR}/scripts/package/etc/relay.toml" "${PROJECT_SOURCE_DIR}/scripts/package/etc/serve.toml"
  DESTINATION "${CMAKE_INSTALL_SYSCONFDIR}/trickle" COMPONENT trickle-tools)
install(FILES "${PROJECT_SOURCE_DIR}/scripts/package/Containerfile"
  DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/trickle-tools/examples" COMPONENT trickle-tools)

if(NOT TRICKLE_PACKAGE)
  return()
endif()

# What Debian's policy wants in every package.
file(WRITE "${generated}/changelog" "trickle-tools (${PROJECT_VERSION}) unstable; urgency=medium

  * See CHANGELOG.md of the project.

 -- The trickle-tools authors <trickle-tools@example.org>  Thu, 01 Jan 2026 00:00:00 +0000
")
execute_process(COMMAND gzip -9nc "${generated}/changelog" OUTPUT_FILE "${generated}/changelog.gz")
file(READ "${PROJECT_SOURCE_DIR}/LICENSE" licence)
string(REGEX MATCH "Copyright[^\n]*" copyright "${licence}")
string(REPLACE "\n\n" "\n.\n" licence "${licence}")
string(REGEX REPLACE "\n([^\n])" "\n \\1" licence "${licence}")
string(REGEX REPLACE "^Copyright(\\(c\\)| |©)*" "" copyright "${copyright}")
file(WRITE "${generated}/copyright" "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: trickle-tools

Files: *
Copyright: ${copyright}
License: Expat
 ${licence}")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME trickle)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_CONTACT "The trickle-tools authors <trickle-tools@example.org>")
set(CPACK_PACKAGE_DIRECTORY "${PROJECT_BINARY_DIR}/packages")
set(CPACK_PACKAGING_INSTALL_PREFIX "/")
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
    WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_COMPONENTS_ALL trickle-tools trickle-torch libtrickle1 libtrickle-dev)

# trickle_package(NAME SECTION TEXT): one package of the component of that name.
function(trickle_package name section summary text)
  string(TOUPPER "${name}" upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME "${name}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION "${section}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_DESCRIPTION "${summary}\n${text}" PARENT_SCOPE)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${summary}\n${text}" PARENT_SCOPE)
  install(FILES "${generated}/copyright" "${generated}/changelog.gz"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/${name}" COMPONENT "${name}")
endfunction()
trickle_package(trickle-tools video "live video over HTTP as Unix filters"
  "Subscribe, decode, process, encode and publish live streams carried by the trickle protocol: numbered segments over HTTP. With a relay, and a worker with an HTTP API that runs the whole chain.")
trickle_package(trickle-torch video "TorchScript models as effects of trickle-fx"
  "The module that trickle-fx loads for the effect torchscript; it brings LibTorch.")
trickle_package(libtrickle1 libs "live video over HTTP: the library"
  "Subscribe to live streams, decode, process, encode and publish them in one process.")
trickle_package(libtrickle-dev libdevel "live video over HTTP: headers of the library"
  "Headers, CMake package and pkg-config file of libtrickle.")
file(WRITE "${generated}/conffiles" "/etc/trickle/relay.toml\n/etc/trickle/serve.toml\n")
set(CPACK_DEBIAN_TRICKLE-TOOLS_PACKAGE_CONTROL_EXTRA "${generated}/conffiles")
set(CPACK_DEBIAN_TRICKLE-TOOLS_PACKAGE_SUGGESTS "trickle-torch (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_TRICKLE-TORCH_PACKAGE_DEPENDS "trickle-tools (= ${PROJECT_VERSION})")
set(CPACK_DEBIAN_LIBTRICKLE-DEV_PACKAGE_DEPENDS "libtrickle1 (= ${PROJECT_VERSION})")
file(WRITE "${generated}/triggers" "activate-noawait ldconfig\n")
file(WRITE "${generated}/shlibs" "libtrickle 1 libtrickle1 (>= ${PROJECT_VERSION})\n")
set(CPACK_DEBIAN_LIBTRICKLE1_PACKAGE_CONTROL_EXTRA "${generated}/triggers;${generated}/shlibs")
include(CPack)
