# What reaches other people: the installed package, the Debian packages, headers that compile alone.
if(NOT DUMB_INSTALL)
  return()
endif()
set(sanitizer_flags "")
if(DUMB_SANITIZE)
  set(sanitizer_flags "-fsanitize=${DUMB_SANITIZE}")
endif()
add_test(NAME install.consumer
  COMMAND ${CMAKE_COMMAND} -DBUILD=${PROJECT_BINARY_DIR} -DSOURCE=${CMAKE_CURRENT_SOURCE_DIR}/consumer
          -DSCRATCH=${CMAKE_CURRENT_BINARY_DIR}/consumer -DCXX=${CMAKE_CXX_COMPILER}
          -DFLAGS=${sanitizer_flags} -DTYPE=${CMAKE_BUILD_TYPE}
          -P ${CMAKE_CURRENT_SOURCE_DIR}/install_consumer.cmake)
set_tests_properties(install.consumer PROPERTIES LABELS install TIMEOUT 300)

add_test(NAME install.headers
  COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target all_verify_interface_header_sets)
set_tests_properties(install.headers PROPERTIES LABELS install TIMEOUT 900 RUN_SERIAL ON)

find_program(DPKG_DEB dpkg-deb)
find_program(DPKG_SHLIBDEPS dpkg-shlibdeps)
if(DPKG_DEB AND DPKG_SHLIBDEPS AND NOT DUMB_SANITIZE AND TARGET dumb-server AND TARGET dumb-cli)
  add_test(NAME install.package
    COMMAND ${CMAKE_COMMAND} -DBUILD=${PROJECT_BINARY_DIR} -DSCRATCH=${CMAKE_CURRENT_BINARY_DIR}/package
            -P ${CMAKE_CURRENT_SOURCE_DIR}/install_package.cmake)
  set_tests_properties(install.package PROPERTIES LABELS install TIMEOUT 300)
endif()
