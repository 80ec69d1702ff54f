# Run with: cmake -DBUILD=<build directory> -DSOURCE=<tests/consumer> -DSCRATCH=<directory>
#                 -DCXX=<compiler> -DFLAGS=<flags> -DTYPE=<build type> -P install_consumer.cmake
# Installs to a scratch prefix, builds a stranger's project against it and runs that.
cmake_minimum_required(VERSION 3.25)
set(prefix "${SCRATCH}/prefix")
file(REMOVE_RECURSE "${SCRATCH}")
set(ENV{DESTDIR} "")

function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ECHO STDOUT RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "${command}: ${status}")
  endif()
endfunction()

run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${prefix}")

# The package must not remember where it was built.
file(GLOB_RECURSE files "${prefix}/*.cmake")
if(NOT files)
  message(FATAL_ERROR "no CMake package below ${prefix}")
endif()
foreach(file IN LISTS files)
  file(STRINGS "${file}" lines)
  foreach(line IN LISTS lines)
    string(FIND "${line}" "${BUILD}" found)
    if(NOT found EQUAL -1)
      message(FATAL_ERROR "${file} names the build directory: ${line}")
    endif()
  endforeach()
endforeach()

run("${CMAKE_COMMAND}" -G Ninja -S "${SOURCE}" -B "${SCRATCH}/build" "-DCMAKE_PREFIX_PATH=${prefix}"
  "-DCMAKE_CXX_COMPILER=${CXX}" "-DCMAKE_CXX_FLAGS=${FLAGS}" "-DCMAKE_BUILD_TYPE=${TYPE}"
  -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
run("${CMAKE_COMMAND}" --build "${SCRATCH}/build")
run("${SCRATCH}/build/consumer")
