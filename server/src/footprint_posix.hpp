#pragma once

namespace dumb::server {

/// Lets go of the memory that only the start needed: pages of programs and libraries that were read and never
/// changed, and what the heap has to spare. What is needed after all comes back from the page cache when it
/// is touched. Takes about a millisecond; any thread.
void give_back_memory_of_start() noexcept;

}  // namespace dumb::server
