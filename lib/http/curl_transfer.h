// One curl easy handle with everything that must live as long as it. Private to the client target.
#pragma once

#include <curl/curl.h>

#include <array>
#include <set>

#include "http/client.h"

namespace trickle::http {

class CurlTransfer;

/// What the transfers of one client share.
struct CurlShared {
  CURLM* multi = nullptr;
  const Clock* clock = nullptr;
  std::set<CurlTransfer*> live;
  std::set<int> sockets;  ///< All that curl has open.
};

class CurlTransfer final : public Transfer {
 public:
  /// Enters itself in shared.live for as long as it exists.
  CurlTransfer(CurlShared& shared, const ConnectionOptions& options, const ClientRequest& request);
  ~CurlTransfer() override;

  static CurlTransfer* of(CURL* easy);

  [[nodiscard]] const ResponseHead* head() const override { return head_.head(); }
  [[nodiscard]] bool done() const override { return done_; }
  [[nodiscard]] const std::optional<Failure>& failure() const override { return failure_; }
  [[nodiscard]] std::span<const std::byte> received() const override {
    return std::span(received_).subspan(consumed_);
  }
  void consume(size_t bytes) override;
  void resume_upload() override;
  [[nodiscard]] TimePoint started_at() const override { return started_at_; }

  /// The socket of an upload that waits for its source, whose end curl would not notice; -1 for all others.
  [[nodiscard]] int waiting_upload_socket() const { return upload_paused_ && !done_ ? socket_ : -1; }
  /// curl has finished with it.
  void on_done(CURLcode code);
  /// The server closed its side. curl itself finds out, unless the upload is paused.
  void on_peer_closed();

 private:
  struct EasyDeleter {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };
  struct ListDeleter {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
  };

  void set_options(const ConnectionOptions& options, const ClientRequest& request);
  void set_method(const ClientRequest& request);
  void set_callbacks();
  void find_socket(int local_port);
  curl_socket_t open_socket(const curl_sockaddr& address);
  void add_header(const std::string& line);
  void finish(std::optional<Failure> failure);
  void unpause();
  size_t on_body(std::span<const std::byte> bytes);
  size_t on_upload(std::span<std::byte> buffer);

  CurlShared& shared_;
  std::unique_ptr<CURL, EasyDeleter> easy_;
  std::unique_ptr<curl_slist, ListDeleter> header_list_;
  std::array<char, CURL_ERROR_SIZE> error_text_{};
  UploadSource* body_;
  const size_t receive_limit_bytes_;
  const TimePoint started_at_;
  const bool public_only_;
  bool refused_private_ = false;  // At least one of the addresses was.

  ResponseHeadReader head_;
  std::vector<std::byte> received_;
  size_t consumed_ = 0;
  int socket_ = -1;
  bool upload_paused_ = false;
  bool receive_paused_ = false;
  bool done_ = false;
  std::optional<Failure> failure_;
};

}  // namespace trickle::http
