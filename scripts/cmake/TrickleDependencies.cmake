# Finds every package that the product stands on. All of them are Debian packages (scripts/packages.txt).

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json 3.11 REQUIRED)
find_package(CLI11 REQUIRED)
find_package(CURL 7.88 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(prometheus-cpp CONFIG REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS url)
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)

foreach(component avutil avcodec avformat avfilter swscale swresample)
  pkg_check_modules(${component} REQUIRED IMPORTED_TARGET lib${component})
endforeach()
add_library(trickle_ffmpeg INTERFACE)
target_link_libraries(trickle_ffmpeg INTERFACE PkgConfig::avformat PkgConfig::avcodec PkgConfig::avfilter
                                               PkgConfig::swscale PkgConfig::swresample PkgConfig::avutil)
