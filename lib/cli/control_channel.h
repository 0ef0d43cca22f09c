// Lines that steer a running tool: --control fd:N or --control SOCKET.
//
// A thread of its own reads them, so that no peer, however slow or dead, holds up the media. On sockets each
// line is answered by one line, {"ok":true} or {"ok":false,"error":"…"}; a peer that does not read its
// answers is cut off.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "trickle/result.h"

namespace trickle::cli {

/// Takes one line, without its newline; called on the channel's thread. An error is the answer, and is
/// logged.
using ControlHandler = std::function<Result<void>(std::string_view line)>;

class ControlChannel {
 public:
  /// Starts to listen. `where` is "fd:N" (a pipe or socket, which the channel takes over) or the path of a
  /// Unix socket to make; any number of clients may connect to that, and it is removed in the end. A socket
  /// that a dead process left behind is replaced. \return kUsage for a bad descriptor or a path in use, kIo
  /// when the socket can't be made.
  static Result<std::unique_ptr<ControlChannel>> start(const std::string& where, ControlHandler handler);
  /// Ends the thread; a line in hand is finished first.
  virtual ~ControlChannel() = default;
  /// Waits until every line that stands in the descriptor fd:N now has been handled, or for two
  /// seconds: settings that were sent before the media hold from the first frame on.
  virtual void catch_up() = 0;
};

}  // namespace trickle::cli
