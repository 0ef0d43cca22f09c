// HTTP/1.1 requests that run side by side in one thread: bodies stream in and out, nothing has a total time
// limit, and connections are used again. The only place that sees curl, together with url.h.
//
// A Client and its Transfers belong to one thread, which drives them by calling wait(); only wake() may be
// called from others. Transfers must be destroyed before their Client.
#pragma once

#include <poll.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "http/response_head.h"
#include "io/clock.h"
#include "trickle/connection_options.h"
#include "trickle/result.h"

namespace trickle::http {

/// Why a transfer ended without a complete answer.
struct Failure {
  Error error;
  bool retryable;  ///< False where trying again can't help: a refused certificate, a bad URL.
};

/// Gives an upload its bytes. Called in the client's thread, from within wait().
class UploadSource {
 public:
  static constexpr size_t kEnd = 0;
  static constexpr size_t kNotYet = static_cast<size_t>(-1);

  virtual ~UploadSource() = default;
  /// Stores up to buffer.size() bytes. \return how many, kEnd after the last one, or kNotYet: the upload then
  /// pauses until Transfer::resume_upload().
  virtual size_t read(std::span<std::byte> buffer) = 0;
};

struct ClientRequest {
  std::string method = "GET";
  std::string url;
  Fields headers;
  UploadSource* body = nullptr;  ///< Sent chunked; must outlive the transfer. Null: no body.
  std::string text{};            ///< The body of a POST whose length is known, where `body` is null.
  /// Takes no connection that was used before: the server may just be about to close it, and what was sent
  /// then is lost.
  bool fresh_connection = false;
  /// No more than about this much of the answer is held here; the rest waits in the network.
  size_t receive_limit_bytes = 1024 * 1024;
};

/// One request and its answer. Destroying it ends it at once.
class Transfer {
 public:
  virtual ~Transfer() = default;
  Transfer() = default;
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  /// The final head, or null while there is none (interim ones don't count). May be there long before an
  /// upload is complete.
  [[nodiscard]] virtual const ResponseHead* head() const = 0;
  /// True when nothing more will happen. failure() tells whether the answer is complete.
  [[nodiscard]] virtual bool done() const = 0;
  [[nodiscard]] virtual const std::optional<Failure>& failure() const = 0;

  /// What has been received and not consumed. Valid until the next wait() or consume().
  [[nodiscard]] virtual std::span<const std::byte> received() const = 0;
  virtual void consume(size_t bytes) = 0;

  /// After UploadSource::kNotYet: asks the source again. Harmless at any other time.
  virtual void resume_upload() = 0;
  /// When the request was started, and when the server was last heard of or took something.
  [[nodiscard]] virtual TimePoint started_at() const = 0;
};

class Client {
 public:
  /// \param options retries and delays in it are for the caller to heed.
  /// \param clock that of deadlines and of started_at(); must outlive the client. After a jump of it call
  /// wake().
  explicit Client(ConnectionOptions options, const Clock& clock = system_clock());
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// Begins a request; it makes progress during wait().
  [[nodiscard]] std::unique_ptr<Transfer> start(const ClientRequest& request);

  /// Drives all transfers until something has happened, `deadline` is there, one of `watched` is ready (its
  /// revents say which) or wake() was called. May return early. Descriptors of -1 are not watched.
  void wait(std::optional<TimePoint> deadline, std::span<pollfd> watched);

  /// Ends the wait() that runs, or the next one. From any thread.
  void wake() const;

 private:
  friend class CurlTransfer;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trickle::http
