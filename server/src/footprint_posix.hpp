#pragma once

namespace dumb::server {

/// Lets go of the memory that only the start needed: pages of programs and libraries that were read and never
/// changed, and what the heap has to spare. What is needed after all comes back from the page cache when it
/// is touched. Takes about a millisecond; any thread.
void give_back_memory_of_start() noexcept;

/// Makes room for descriptors while this process has one thread. Later the kernel would let all threads that
/// open or close one wait each time the table grows, for as long as a grace period of its RCU takes (some
/// 10 ms).
void make_room_for_descriptors() noexcept;

}  // namespace dumb::server
