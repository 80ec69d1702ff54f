# What tests/run adds: whole programs and other builds. They run with `ctest -C Full` only, because they need builds
# that a plain `ctest` of this one does not make.
foreach(sanitizer asan tsan)
  if(sanitizer STREQUAL "tsan")
    set(configurations Long)
  else()
    set(configurations Full Long)
  endif()
  add_test(NAME ${sanitizer}.suite CONFIGURATIONS ${configurations}
    COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${PROJECT_SOURCE_DIR}/build/${sanitizer} -L "^(unit|posix)$"
            --output-on-failure --no-tests=error -j 2)
  set_tests_properties(${sanitizer}.suite PROPERTIES LABELS ${sanitizer} TIMEOUT 900 RUN_SERIAL ON)
endforeach()

add_test(NAME example.quickstart CONFIGURATIONS Full Long
  COMMAND ${PROJECT_SOURCE_DIR}/examples/quickstart --check)
set_tests_properties(example.quickstart PROPERTIES LABELS example TIMEOUT 600 RUN_SERIAL ON)
