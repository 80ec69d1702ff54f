#include <cstdio>
#include <exception>

#include "cli/src/host_posix.hpp"
#include "cli/src/run.hpp"

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    return static_cast<int>(dumb::cli::run(words, dumb::cli::real_surroundings()));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dumb-cli: internal error: %s\n", error.what());
    return static_cast<int>(dumb::cli::ExitCode::failed);
  }
}
