#include "http/curl_transfer.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>

#include "io/private_address.h"
#include "trickle/version.h"

namespace trickle::http {
namespace {

constexpr long kConnectTimeoutMs = 10'000;
constexpr long kKeepAliveIdleSeconds = 10;
constexpr long kKeepAliveIntervalSeconds = 5;
constexpr long kReceiveBufferBytes = 128 * 1024;
constexpr long kUploadBufferBytes = 64 * 1024;

bool is_retryable(CURLcode code) {
  switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_BAD_FUNCTION_ARGUMENT:
      return false;
    default:
      return true;
  }
}

// The variables by which curl(1) is told of a proxy.
bool has_proxy(std::string_view url) {
  constexpr std::array kAll{"all_proxy", "ALL_PROXY"};
  constexpr std::array kHttps{"https_proxy", "HTTPS_PROXY"};
  const auto set = [](const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr && *value != '\0';
  };
  const bool https = url.starts_with("https:") || url.starts_with("HTTPS:");
  if (std::any_of(kAll.begin(), kAll.end(), set)) return true;
  return https ? std::any_of(kHttps.begin(), kHttps.end(), set) : set("http_proxy");
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool says_too_large(CURLcode code) {
#if LIBCURL_VERSION_NUM >= 0x080600
  if (code == CURLE_TOO_LARGE) return true;
#endif
  return code == CURLE_OUT_OF_MEMORY;  // What older ones say in its place.
}

// What curl says, but where it says it to programmers.
std::string sentence_for(CURLcode code, std::string_view said, bool has_head) {
  if (says_too_large(code) && !has_head) return "the head of the server's answer is too large";
  if (code == CURLE_SSL_CONNECT_ERROR && said.ends_with("wrong version number"))
    return "the server does not speak TLS: is it http, not https?";
  return std::string(trimmed(said.empty() ? curl_easy_strerror(code) : said));
}

}  // namespace

CurlTransfer* CurlTransfer::of(CURL* easy) {
  char* self = nullptr;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &self);
  return reinterpret_cast<CurlTransfer*>(self);
}

CurlTransfer::CurlTransfer(CurlShared& shared, const ConnectionOptions& options, const ClientRequest& request)
    : shared_(shared),
      easy_(curl_easy_init()),
      body_(request.body),
      receive_limit_bytes_(request.receive_limit_bytes),
      started_at_(shared.clock->now()),
      public_only_(options.public_only && !has_proxy(request.url)) {
  if (!easy_) throw std::bad_alloc();
  set_options(options, request);
  set_method(request);
  curl_easy_setopt(easy_.get(), CURLOPT_HTTPHEADER, header_list_.get());
  shared_.live.insert(this);
  curl_multi_add_handle(shared_.multi, easy_.get());
}

CurlTransfer::~CurlTransfer() {
  if (!done_) curl_multi_remove_handle(shared_.multi, easy_.get());
  shared_.live.erase(this);
}

void CurlTransfer::add_header(const std::string& line) {
  curl_slist* longer = curl_slist_append(header_list_.get(), line.c_str());
  if (longer == nullptr) throw std::bad_alloc();
  [[maybe_unused]] curl_slist* same = header_list_.release();
  header_list_.reset(longer);
}

void CurlTransfer::set_options(const ConnectionOptions& options, const ClientRequest& request) {
  CURL* easy = easy_.get();
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, request.fresh_connection ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, kKeepAliveIdleSeconds);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, kKeepAliveIntervalSeconds);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMs);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, kReceiveBufferBytes);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text_.data());
  if (options.insecure) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!options.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, options.ca_file.c_str());
  const std::string agent = fmt::format("trickle/{}", version());
  curl_easy_setopt(easy, CURLOPT_USERAGENT, agent.c_str());
  if (!options.token.empty()) add_header("Authorization: Bearer " + options.token);
  for (const std::string& line : options.headers) add_header(line);
  for (const auto& [name, value] : request.headers) add_header(fmt::format("{}: {}", name, value));
  set_callbacks();
}

void CurlTransfer::set_callbacks() {
  CURL* easy = easy_.get();
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(
      easy, CURLOPT_OPENSOCKETFUNCTION, +[](void* self, curlsocktype, curl_sockaddr* address) {
        return static_cast<CurlTransfer*>(self)->open_socket(*address);
      });
  curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, &shared_);
  curl_easy_setopt(
      easy, CURLOPT_CLOSESOCKETFUNCTION, +[](void* shared, curl_socket_t fd) {
        static_cast<CurlShared*>(shared)->sockets.erase(fd);
        return ::close(fd);
      });
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, this);
  curl_easy_setopt(
      easy, CURLOPT_PREREQFUNCTION, +[](void* self, char*, char*, int, int local_port) {
        static_cast<CurlTransfer*>(self)->find_socket(local_port);
        return CURL_PREREQFUNC_OK;
      });
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(
      easy, CURLOPT_HEADERFUNCTION, +[](char* data, size_t size, size_t count, void* self) {
        static_cast<CurlTransfer*>(self)->head_.add_line({data, size * count});
        return size * count;
      });
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(
      easy, CURLOPT_WRITEFUNCTION, +[](char* data, size_t size, size_t count, void* self) {
        return static_cast<CurlTransfer*>(self)->on_body(std::as_bytes(std::span(data, size * count)));
      });
}

curl_socket_t CurlTransfer::open_socket(const curl_sockaddr& address) {
  if (public_only_ && is_private_address(address.addr)) {
    refused_private_ = true;
    return CURL_SOCKET_BAD;
  }
  const int fd = ::socket(address.family, address.socktype | SOCK_CLOEXEC, address.protocol);
  if (fd >= 0) shared_.sockets.insert(fd);
  return fd;
}

// Which of curl's sockets this request is about to use: curl tells only its port.
void CurlTransfer::find_socket(int local_port) {
  socket_ = -1;
  for (const int fd : shared_.sockets) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) continue;
    const in_port_t port = address.ss_family == AF_INET6
                               ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                               : reinterpret_cast<const sockaddr_in&>(address).sin_port;
    if (ntohs(port) == local_port) socket_ = fd;
  }
}

void CurlTransfer::set_method(const ClientRequest& request) {
  CURL* easy = easy_.get();
  if (request.method == "GET") return;
  if (request.body == nullptr) {
    if (request.method == "POST") {
      curl_easy_setopt(easy, CURLOPT_POST, 1L);
      curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, static_cast<long>(request.text.size()));
      curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, request.text.c_str());
    }
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    return;
  }
  curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, kUploadBufferBytes);
  add_header("Transfer-Encoding: chunked");
  add_header("Expect:");
  curl_easy_setopt(easy, CURLOPT_READDATA, this);
  curl_easy_setopt(
      easy, CURLOPT_READFUNCTION, +[](char* data, size_t size, size_t count, void* self) {
        return static_cast<CurlTransfer*>(self)->on_upload(
            std::as_writable_bytes(std::span(data, size * count)));
      });
}

size_t CurlTransfer::on_body(std::span<const std::byte> bytes) {
  if (received_.size() - consumed_ >= receive_limit_bytes_) {
    receive_paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  received_.insert(received_.end(), bytes.begin(), bytes.end());
  return bytes.size();
}

size_t CurlTransfer::on_upload(std::span<std::byte> buffer) {
  const size_t size = body_->read(buffer);
  if (size != UploadSource::kNotYet) return size;
  upload_paused_ = true;
  return CURL_READFUNC_PAUSE;
}

void CurlTransfer::consume(size_t bytes) {
  consumed_ += bytes;
  if (consumed_ < received_.size()) return;
  received_.clear();
  consumed_ = 0;
  if (!receive_paused_) return;
  receive_paused_ = false;
  unpause();
}

void CurlTransfer::resume_upload() {
  if (!upload_paused_) return;
  upload_paused_ = false;
  unpause();
}

void CurlTransfer::unpause() {
  if (done_) return;
  curl_easy_pause(easy_.get(),
                  (receive_paused_ ? CURLPAUSE_RECV : 0) | (upload_paused_ ? CURLPAUSE_SEND : 0));
}

void CurlTransfer::on_done(CURLcode code) {
  if (code == CURLE_OK) {
    if (head() != nullptr) return finish(std::nullopt);
    // To curl a connection that ends in the middle of a head is a whole answer without a body.
    return finish(Failure{
        Error(ErrorKind::kNetwork, "the server closed the connection within the head of its answer"), true});
  }
  if (code == CURLE_COULDNT_CONNECT && refused_private_) {
    return finish(Failure{
        Error(ErrorKind::kRefused, "the server's address is one of a private network, which is not allowed"),
        false});
  }
  finish(Failure{Error(ErrorKind::kNetwork, sentence_for(code, error_text_.data(), head() != nullptr)),
                 is_retryable(code)});
}

void CurlTransfer::on_peer_closed() {
  if (done_ || !upload_paused_) return;
  if (head() != nullptr) return finish(std::nullopt);
  finish(Failure{Error(ErrorKind::kNetwork, "the server closed the connection"), true});
}

void CurlTransfer::finish(std::optional<Failure> failure) {
  if (done_) return;
  done_ = true;
  failure_ = std::move(failure);
  curl_multi_remove_handle(shared_.multi, easy_.get());
}

}  // namespace trickle::http
