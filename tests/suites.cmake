# What tests/run adds: whole programs and other builds. They run with `ctest -C Full` (or Fuzz, which is Full and the
# fuzz targets, or Long, which is everything) only, because they need builds that a plain `ctest` does not make.
foreach(sanitizer asan tsan)
  if(sanitizer STREQUAL "tsan")
    set(configurations Long)
  else()
    set(configurations Full Fuzz Long)
  endif()
  add_test(NAME ${sanitizer}.suite CONFIGURATIONS ${configurations}
    COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${PROJECT_SOURCE_DIR}/build/${sanitizer} -L "^(unit|posix)$"
            --output-on-failure --no-tests=error -j 2)
  set_tests_properties(${sanitizer}.suite PROPERTIES LABELS ${sanitizer} TIMEOUT 900 RUN_SERIAL ON)
endforeach()

add_test(NAME example.quickstart CONFIGURATIONS Full Fuzz Long
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/readme.py --source ${PROJECT_SOURCE_DIR} --quickstart)
add_test(NAME example.readme CONFIGURATIONS Full Fuzz Long
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/readme.py --source ${PROJECT_SOURCE_DIR} --build ${PROJECT_BINARY_DIR})
set_tests_properties(example.quickstart example.readme PROPERTIES LABELS example TIMEOUT 900 RUN_SERIAL ON)

add_test(NAME unit.simulation CONFIGURATIONS Long
  COMMAND dumb-unit-tests "[simulation]")
set_tests_properties(unit.simulation PROPERTIES LABELS unit TIMEOUT 2400 ENVIRONMENT DUMB_TEST_SCHEDULES=1000000)

# Every libFuzzer target for 60 s, as many at once as there are cores.
add_test(NAME fuzz.targets CONFIGURATIONS Fuzz Long
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/run --seconds 60 --seed 1)
set_tests_properties(fuzz.targets PROPERTIES LABELS fuzz TIMEOUT 1500 RUN_SERIAL ON)

add_test(NAME posix.symlinks CONFIGURATIONS Long
  COMMAND dumb-posix-tests "[symlinks]")
set_tests_properties(posix.symlinks PROPERTIES LABELS posix TIMEOUT 3600 ENVIRONMENT DUMB_TEST_CRASHES=200)

# Half an hour of everything at once.
add_test(NAME soak.half_hour CONFIGURATIONS Long
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/soak.py --build ${PROJECT_BINARY_DIR} --minutes 30)
set_tests_properties(soak.half_hour PROPERTIES LABELS soak TIMEOUT 3600 RUN_SERIAL ON)
