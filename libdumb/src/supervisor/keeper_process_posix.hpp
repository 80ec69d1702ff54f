#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <filesystem>

/// The keeper: a small process beside the supervisor that outlives its SIGKILL and does nothing but hold
/// descriptors, so that what a child has written into its FIFOs is not gone with the child, and what it says
/// on its NOTIFY_SOCKET is heard, when no supervisor is there to read (LIF-174).
///
/// It is a fork of the supervisor, in a session of its own, that listens on the socket `keeper` in the run
/// directory. Messages are packets: a Head, `count` Items, and for `keep` as many descriptors. A supervisor
/// that comes asks with `tell` and gets one `held` per Item, with the descriptor of a notify socket and the
/// text of what was said on it meanwhile, then `all_told`. While no supervisor is connected it lets go of
/// what nobody can want any more: FIFOs without writer and byte, or removed, sockets of processes that have
/// ended. It ends when it is told to, or when nobody is connected and it holds nothing.
namespace dumb::supervisor::keeper {

enum class Verb : std::uint32_t { keep = 1, drop = 2, tell = 3, end = 4, held = 5, all_told = 6 };
/// What a descriptor is of a launch. `process` is its pidfd.
enum class Kind : std::uint32_t { output = 1, failures = 2, notify = 3, process = 4 };

constexpr std::uint32_t magic = 0x316b6d44;  // "Dmk1"
constexpr std::size_t most_items = 64;       // of one message
constexpr std::size_t most_text = 512;       // of what a service has said

struct Head {
  std::uint32_t magic = keeper::magic;
  Verb verb = Verb::tell;
  std::uint32_t count = 0;
  std::uint32_t reserved = 0;
};
struct Item {
  std::int64_t number = 0;  ///< of the launch
  Kind kind = Kind::output;
  std::int32_t sender = 0;  ///< who said the text of a `held`
};
constexpr std::size_t most_bytes = sizeof(Head) + most_items * sizeof(Item) + most_text;

/// Name of the socket in the run directory.
constexpr const char* socket_name = "keeper";

/// A connection to the keeper of this run directory; empty when there is none.
UniqueFd connect_keeper(const std::filesystem::path& run_directory);
/// Starts one, in place of any other, and connects to it.
Result<UniqueFd> start_keeper(const std::filesystem::path& run_directory);

/// What the fork does. Only what one of a program with threads may do; never returns.
[[noreturn]] void become_keeper(int listener, int first, int directory);

/// One packet with descriptors. False when the other side is gone, or does not read in time.
bool send_packet(int socket, const void* bytes, std::size_t size, const int* descriptors, std::size_t count);
struct Packet {
  ssize_t size = 0;  ///< 0: the other side is gone; below: nothing there
  std::size_t descriptors = 0;
};
/// `descriptors` has room for most_items. More than fit into either buffer are left out.
Packet receive_packet(int socket, void* bytes, std::size_t room, int* descriptors, int flags);

}  // namespace dumb::supervisor::keeper
