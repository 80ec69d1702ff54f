# Installation, the exported package and the Debian packages.
# Components: `dumb` is what runs (the programs and, when built shared, the library); `libdumb-dev` is what a
# program that uses the library is built with.
include(CMakePackageConfigHelpers)

set(dumb_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/dumb")

install(TARGETS dumb EXPORT dumb-targets
  RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT dumb
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dumb NAMELINK_COMPONENT libdumb-dev
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT libdumb-dev
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT libdumb-dev)

foreach(program dumb-server dumb-cli)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT dumb)
  endif()
endforeach()

# A shared library hides its private dependencies; a static one hands them to whoever links it.
get_target_property(dumb_library_type dumb TYPE)
string(COMPARE EQUAL "${dumb_library_type}" STATIC_LIBRARY dumb_is_static)
configure_package_config_file(
  "${CMAKE_CURRENT_LIST_DIR}/dumb-config.cmake.in" "${PROJECT_BINARY_DIR}/dumb-config.cmake"
  INSTALL_DESTINATION "${dumb_cmake_dir}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/dumb-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(EXPORT dumb-targets NAMESPACE dumb:: DESTINATION "${dumb_cmake_dir}" COMPONENT libdumb-dev)
install(FILES "${PROJECT_BINARY_DIR}/dumb-config.cmake" "${PROJECT_BINARY_DIR}/dumb-config-version.cmake"
  DESTINATION "${dumb_cmake_dir}" COMPONENT libdumb-dev)

foreach(package dumb libdumb-dev)
  install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "share/doc/${package}" RENAME copyright
    COMPONENT ${package})
endforeach()
install(FILES "${PROJECT_SOURCE_DIR}/README.md" "${PROJECT_SOURCE_DIR}/CHANGELOG.md"
  DESTINATION share/doc/dumb COMPONENT dumb)

# `cpack -G DEB` in the build directory writes dumb_<version>_<arch>.deb and libdumb-dev_<version>_<arch>.deb.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME dumb)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_CONTACT "The DUMB in C++ authors <dumb@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX "/usr")
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL dumb libdumb-dev)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)

set(CPACK_DEBIAN_DUMB_PACKAGE_NAME dumb)
set(CPACK_DEBIAN_DUMB_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_DUMB_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_DUMB_PACKAGE_RECOMMENDS "rclone, fuse3")
set(CPACK_DEBIAN_DUMB_PACKAGE_SUGGESTS "postgresql")
set(CPACK_DEBIAN_DUMB_DESCRIPTION "${PROJECT_DESCRIPTION}")

# Names of the oldest supported distribution first, then those of newer ones.
set(CPACK_DEBIAN_LIBDUMB-DEV_PACKAGE_NAME libdumb-dev)
set(CPACK_DEBIAN_LIBDUMB-DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBDUMB-DEV_DESCRIPTION "Headers and library for programs that supervise a media stack")
set(dumb_dev_depends
  "libboost1.81-dev | libboost-dev (>= 1.81)"
  "libboost-json1.81-dev | libboost-json-dev (>= 1.81)"
  "libfmt-dev (>= 9.1)"
  "libssl-dev"
  "libcrypt-dev"
  "libarchive-dev (>= 3.6)"
  "libsqlite3-dev (>= 3.31)")
if(NOT dumb_is_static)
  list(APPEND dumb_dev_depends "dumb (= ${PROJECT_VERSION})")
endif()
list(JOIN dumb_dev_depends ", " CPACK_DEBIAN_LIBDUMB-DEV_PACKAGE_DEPENDS)
include(CPack)
