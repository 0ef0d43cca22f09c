// TLS for the server's connections, over OpenSSL. A connection without it has a null pointer where this would
// be, and pays nothing.
//
// The process must ignore SIGPIPE (as the tools do): OpenSSL writes with plain write(2).
#pragma once

#include <sys/uio.h>

#include <memory>
#include <span>
#include <string>

#include "trickle/result.h"

// OpenSSL's own names, so that its headers stay in one file.
struct ssl_st;
struct ssl_ctx_st;

namespace trickle::http {

/// A certificate with its key. Immutable; may be shared by servers on different threads.
class TlsIdentity {
 public:
  /// Reads PEM files: the certificate (its chain behind it) and its private key without a passphrase.
  /// \return kUsage when one can't be read, or when they do not belong together.
  static Result<std::shared_ptr<const TlsIdentity>> read(const std::string& certificate_file,
                                                         const std::string& key_file);
  ~TlsIdentity();
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

 private:
  friend class TlsStream;
  explicit TlsIdentity(ssl_ctx_st* context) : context_(context) {}
  ssl_ctx_st* context_;
};

/// The server's end of TLS on one non-blocking socket. It belongs to the thread of its connection.
class TlsStream {
 public:
  /// `fd` stays the caller's, and must outlive this.
  TlsStream(const TlsIdentity& identity, int fd);
  ~TlsStream();
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// As recv(2) and sendmsg(2) on a non-blocking socket: bytes, 0 for the peer's end (reading only), or -1
  /// with errno EAGAIN (see wants_write(), wants_read()) or any other for a broken connection. Reads as much
  /// as there is. A write that was told EAGAIN must be repeated with bytes that begin with the same ones.
  ssize_t read(std::span<char> buffer);
  ssize_t write(std::span<const iovec> pieces);

  /// After EAGAIN: what the handshake needs is not what was asked for.
  [[nodiscard]] bool read_wants_write() const { return read_wants_write_; }
  [[nodiscard]] bool write_wants_read() const { return write_wants_read_; }
  /// Whether bytes (or the end) are here that the socket no longer has: it won't become readable for them.
  [[nodiscard]] bool has_pending() const;
  [[nodiscard]] bool established() const;
  /// Tells the peer that nothing more comes (close_notify), so that an end is no truncation.
  void end();

 private:
  ssl_st* ssl_;
  bool read_wants_write_ = false;
  bool write_wants_read_ = false;
  bool write_repeats_ = false;  ///< The last write was told to be repeated.
  bool broken_ = false;
};

}  // namespace trickle::http
