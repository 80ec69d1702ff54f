#include <cstdio>
#include <dumb/catalog/catalog.hpp>

#include "own_asio.hpp"

int main() {
  const dumb::catalog::Catalog& catalog = dumb::catalog::Catalog::embedded();
  std::printf("%zu services\n", catalog.services().size());
  if (catalog.find("rclone") == nullptr) {
    std::fputs("the catalogue knows no rclone\n", stderr);
    return 1;
  }
  if (!own_asio_works()) {
    std::fputs("the program's own Asio does not work beside the library's\n", stderr);
    return 1;
  }
}
