# Run with: cmake -DBUILD=<build directory> -DSCRATCH=<directory> -P install_package.cmake
# Makes the two Debian packages and looks into them.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE "${SCRATCH}")
get_filename_component(bin "${CMAKE_COMMAND}" DIRECTORY)
execute_process(COMMAND "${bin}/cpack" -G DEB --config "${BUILD}/CPackConfig.cmake" -B "${SCRATCH}"
  RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "cpack failed: ${status}")
endif()

function(expect package)
  file(GLOB file "${SCRATCH}/${package}_*.deb")
  list(LENGTH file count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "expected one ${package} package, got: ${file}")
  endif()
  execute_process(COMMAND dpkg-deb --info "${file}" COMMAND_ERROR_IS_FATAL ANY OUTPUT_VARIABLE info)
  execute_process(COMMAND dpkg-deb --contents "${file}" COMMAND_ERROR_IS_FATAL ANY OUTPUT_VARIABLE contents)
  message("${info}${contents}")
  foreach(pattern IN LISTS ARGN)
    if(NOT "${info}${contents}" MATCHES "${pattern}")
      message(FATAL_ERROR "the ${package} package lacks ${pattern}")
    endif()
  endforeach()
endfunction()

expect(dumb "Package: dumb\n" "Depends: [^\n]*libc6" "libboost-json" "\\./usr/bin/dumb-server\n" "\\./usr/bin/dumb-cli\n"
  "\\./usr/share/doc/dumb/copyright\n")
expect(libdumb-dev "Package: libdumb-dev\n" "Depends: [^\n]*libfmt-dev" "/libdumb\\.(a|so)\n"
  "/cmake/dumb/dumb-config\\.cmake\n" "\\./usr/include/dumb/engine/engine\\.hpp\n")
