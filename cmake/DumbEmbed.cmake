# dumb_embed_directory(<name> <directory> <out>): one generated source that holds every *.json of a directory
# as bytes, reachable through dumb::embedded::<name>() (declared in base/embedded.hpp).
function(dumb_embed_directory name directory out)
  file(GLOB files CONFIGURE_DEPENDS "${directory}/*.json")
  list(SORT files)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/embedded_${name}.cpp")
  add_custom_command(
    OUTPUT "${source}"
    COMMAND "${CMAKE_COMMAND}" -DNAME=${name} "-DDIRECTORY=${directory}" "-DOUTPUT=${source}"
            -P "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
    DEPENDS ${files} "${PROJECT_SOURCE_DIR}/cmake/embed.cmake"
    COMMENT "Embedding ${name}"
    VERBATIM)
  set(${out} "${source}" PARENT_SCOPE)
endfunction()
