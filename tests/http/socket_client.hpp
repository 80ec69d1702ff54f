#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace dumb::test {

/// A WebSocket client (RFC 6455) that waits for what it is asked for.
class SocketClient {
 public:
  /// `head`: further header lines, as "Name: value".
  SocketClient(int port, std::string_view target, std::string_view header = {});
  ~SocketClient();

  /// The status of the answer to the upgrade request; 101 when it was accepted.
  int status() const;
  /// The next message; nullopt when there was none in time or the connection ended.
  std::optional<std::string> receive(std::chrono::milliseconds limit = std::chrono::seconds(20));
  /// The code the server closed with, having read whatever came before; 0: no close frame in time.
  int close_code(std::chrono::milliseconds limit = std::chrono::seconds(20));
  std::string close_reason() const;
  bool send(std::string_view text);
  bool send_binary(std::string_view bytes);
  /// A frame as it is, for what a well-behaved client does not send.
  bool send_raw(std::string_view bytes);
  /// Ends the connection without a close frame.
  void cut();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace dumb::test
