#pragma once

#include <dumb/base/result.hpp>
#include <dumb/base/unique_fd.hpp>
#include <filesystem>
#include <string>
#include <vector>

/// How one dumb-server takes the place of another (`--replace`): the new one connects to a socket in the run
/// directory, the old one lets go of its children, sends its listening socket over that connection and ends.
/// Connections that come meanwhile wait in the kernel's queue, so that none is refused.
namespace dumb::server {

/// The socket on which a running server awaits its successor; non-blocking.
Result<UniqueFd> open_handover_socket(const std::filesystem::path& run_directory);

/// A successor that has connected, if it may replace this process: the same user, or root.
UniqueFd accept_successor(int socket);

/// Whether whoever has connected is there still.
bool is_there(int peer);

/// The last words to a successor: the listening socket, or why there will be none. False when it does not say
/// that it has got it. Blocks for a moment.
bool send_listener(int peer, int listener);
void send_refusal(int peer, const std::string& reason);

/// Asks the server that runs over this directory to hand over and waits until it has ended. An empty
/// descriptor when there is none. Fails with Errc::conflict when it refuses, timed_out when it does neither.
/// Blocks.
Result<UniqueFd> take_over(const std::filesystem::path& run_directory);

/// Puts another program in place of this one: same process, same children, same signals held back, one
/// descriptor passed on. Returns only when that failed.
Error replace_program(const std::string& program, const std::vector<std::string>& arguments, int kept);

/// The program this process was started from, as a path that may lead to a newer one by now.
std::string own_program();

}  // namespace dumb::server
