#include <cstdio>
#include <dumb/base/text.hpp>

#include "own_asio.hpp"

int main() {
  if (!own_asio_works()) {
    std::fputs("the program's own Asio does not work beside the library's\n", stderr);
    return 1;
  }
}
