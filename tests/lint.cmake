# Checks of the tree itself.
foreach(check layers coroutines)
  add_test(NAME lint.${check}
    COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -P ${PROJECT_SOURCE_DIR}/cmake/check-${check}.cmake)
  set_tests_properties(lint.${check} PROPERTIES LABELS lint)
endforeach()
find_program(DUMB_PYTHON NAMES python3 REQUIRED)
add_test(NAME lint.coverage COMMAND ${DUMB_PYTHON} ${PROJECT_SOURCE_DIR}/tests/coverage.py --check)
set_tests_properties(lint.coverage PROPERTIES LABELS lint)
