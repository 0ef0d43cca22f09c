#include "http/tls.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace trickle::http {
namespace {

constexpr size_t kRecordBytes = 16 * 1024;  // The most that one TLS record holds.

// The newest reason in OpenSSL's queue, which is empty afterwards.
std::string last_reason() {
  const unsigned long code = ::ERR_peek_last_error();
  ::ERR_clear_error();
  if (ERR_SYSTEM_ERROR(code)) return std::strerror(ERR_GET_REASON(code));
  const char* reason = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  return reason ? reason : "unknown reason";
}

// Only HTTP/1.1 is spoken; a client that offers nothing of it gets it all the same.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* offered,
                    unsigned offered_length, void*) {
  static constexpr std::array<unsigned char, 9> kHttp11{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (::SSL_select_next_proto(&chosen, out_length, kHttp11.data(), kHttp11.size(), offered, offered_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::shared_ptr<const TlsIdentity>> TlsIdentity::read(const std::string& certificate_file,
                                                             const std::string& key_file) {
  ::ERR_clear_error();
  std::shared_ptr<TlsIdentity> identity(new TlsIdentity(::SSL_CTX_new(::TLS_server_method())));
  SSL_CTX* context = identity->context_;
  if (!context) return unexpected(ErrorKind::kInternal, "no TLS: " + last_reason());
  ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  ::SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
  ::SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  // A key with a passphrase is refused here instead of asked for on the terminal.
  ::SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return -1; });
  if (::SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    return unexpected(ErrorKind::kUsage, fmt::format("{}: can't read a certificate from it: {}",
                                                     certificate_file, last_reason()));
  }
  if (::SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1 ||
      ::SSL_CTX_check_private_key(context) != 1) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("{}: can't use the private key in it: {}", key_file, last_reason()));
  }
  return std::shared_ptr<const TlsIdentity>(std::move(identity));
}

TlsIdentity::~TlsIdentity() { ::SSL_CTX_free(context_); }

TlsStream::TlsStream(const TlsIdentity& identity, int fd) : ssl_(::SSL_new(identity.context_)) {
  broken_ = !ssl_ || ::SSL_set_fd(ssl_, fd) != 1;
  if (!broken_) ::SSL_set_accept_state(ssl_);
}

TlsStream::~TlsStream() { ::SSL_free(ssl_); }

ssize_t TlsStream::read(std::span<char> buffer) {
  read_wants_write_ = false;
  size_t total = 0;
  errno = ECONNRESET;
  while (!broken_ && total < buffer.size()) {
    size_t received = 0;
    ::ERR_clear_error();
    const int done = ::SSL_read_ex(ssl_, buffer.data() + total, buffer.size() - total, &received);
    total += received;
    if (done == 1) continue;
    const int error = ::SSL_get_error(ssl_, done);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      read_wants_write_ = error == SSL_ERROR_WANT_WRITE;
      errno = EAGAIN;
    } else if (error == SSL_ERROR_ZERO_RETURN) {
      return static_cast<ssize_t>(total);  // The end shows again at the next read, if there was something.
    } else {
      broken_ = true;
      errno = ECONNRESET;
    }
    break;
  }
  return total > 0 ? static_cast<ssize_t>(total) : -1;
}

// One record for each write: small pieces (a chunk's framing, a head) are put together, so that they do not
// become records of their own. The copy is nothing beside the encryption.
ssize_t TlsStream::write(std::span<const iovec> pieces) {
  std::array<char, kRecordBytes> record;
  size_t size = 0;
  for (const iovec& piece : pieces) {
    const size_t taken = std::min(piece.iov_len, record.size() - size);
    std::memcpy(record.data() + size, piece.iov_base, taken);
    size += taken;
  }
  write_wants_read_ = false;
  errno = EPIPE;
  if (broken_) return -1;
  size_t sent = 0;
  ::ERR_clear_error();
  const int done = ::SSL_write_ex(ssl_, record.data(), size, &sent);
  write_repeats_ = false;
  if (done == 1) return static_cast<ssize_t>(sent);
  const int error = ::SSL_get_error(ssl_, done);
  write_repeats_ = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
  write_wants_read_ = error == SSL_ERROR_WANT_READ;
  broken_ = !write_repeats_;
  errno = write_repeats_ ? EAGAIN : EPIPE;
  return -1;
}

bool TlsStream::has_pending() const {
  if (broken_) return false;
  return ::SSL_pending(ssl_) > 0 || (::SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0;
}

bool TlsStream::established() const { return !broken_ && ::SSL_is_init_finished(ssl_) == 1; }

void TlsStream::end() {
  if (!established() || write_repeats_) return;
  ::ERR_clear_error();
  ::SSL_shutdown(ssl_);
  ::ERR_clear_error();
}

}  // namespace trickle::http
