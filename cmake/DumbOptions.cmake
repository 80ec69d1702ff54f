# Interface target with the language level, warnings and sanitizers of our own targets. Never exported.
add_library(dumb_options INTERFACE)
target_compile_features(dumb_options INTERFACE cxx_std_20)
target_compile_options(dumb_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Woverloaded-virtual -Wcast-align
  $<$<BOOL:${DUMB_WERROR}>:-Werror>)
# No BOOST_ASIO_NO_DEPRECATED: it changes what functions of the compiled copy of Asio return under the same name, and
# a program that links the library and has Asio header-only would crash (the test install.consumer does that).
target_compile_definitions(dumb_options INTERFACE
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # False positives of g++ 12 in optimised coroutine and variant code.
  target_compile_options(dumb_options INTERFACE -Wno-maybe-uninitialized -Wno-restrict -Wno-dangling-pointer)
endif()
if(DUMB_SANITIZE)
  target_compile_options(dumb_options INTERFACE -fsanitize=${DUMB_SANITIZE} -fno-omit-frame-pointer)
  target_link_options(dumb_options INTERFACE -fsanitize=${DUMB_SANITIZE})
  if(DUMB_SANITIZE MATCHES "undefined")
    target_compile_options(dumb_options INTERFACE -fno-sanitize-recover=undefined)
  endif()
  if(DUMB_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(dumb_options INTERFACE -Wno-tsan)
  endif()
endif()

# ccache makes a second build a matter of seconds; it is used when present.
find_program(DUMB_CCACHE ccache)
if(DUMB_CCACHE AND PROJECT_IS_TOP_LEVEL)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${DUMB_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER "${DUMB_CCACHE}")
endif()
