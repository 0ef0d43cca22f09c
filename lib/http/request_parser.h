// Beast's HTTP/1.1 parser, bent to fill a RequestHead and to hand on the body without buffering it.
#pragma once

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/version.hpp>
#include <cstdint>
#include <string>

#include "http/request_head.h"

namespace trickle::http {

/// One request. Feed it with feed_head() until head_done(), then with feed_body() until is_done().
class RequestParser final : public boost::beast::http::basic_parser<true> {
 public:
  RequestParser(size_t header_limit_bytes, size_t max_fields);

  struct Fed {
    size_t consumed_bytes;
    int error_status;           ///< 0, or the status that says what was wrong (400, 431, 501, 505).
    const char* error_message;  ///< The sentence for it.
  };
  Fed feed_head(const char* data, size_t size_bytes);
  /// Appends decoded body bytes to `body`.
  Fed feed_body(const char* data, size_t size_bytes, std::string& body);

  [[nodiscard]] bool head_done() const { return is_header_done(); }
  /// Valid once head_done(). Moves the head out.
  [[nodiscard]] RequestHead take_head() { return std::move(head_); }

 private:
  using error_code = boost::beast::error_code;
  using string_view = boost::beast::string_view;

  void on_request_impl(boost::beast::http::verb verb, string_view method, string_view target, int version,
                       error_code& error) override;
  void on_response_impl(int code, string_view reason, int version, error_code& error) override;
  void on_field_impl(boost::beast::http::field field, string_view name, string_view value,
                     error_code& error) override;
#if BOOST_BEAST_VERSION >= 359
  void on_trailer_field_impl(boost::beast::http::field, string_view, string_view, error_code&) override {}
#endif
  void on_header_impl(error_code& error) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code& error) override;
  std::size_t on_body_impl(string_view body, error_code& error) override;
  void on_chunk_header_impl(std::uint64_t size, string_view extensions, error_code& error) override;
  std::size_t on_chunk_body_impl(std::uint64_t remain, string_view body, error_code& error) override;
  void on_finish_impl(error_code& error) override;

  Fed fed(size_t consumed_bytes, const error_code& error) const;
  [[nodiscard]] Fed check_head(size_t consumed_bytes);

  const size_t header_limit_bytes_;
  const size_t max_fields_;
  size_t head_bytes_ = 0;  ///< Consumed so far.
  RequestHead head_;
  std::string* body_ = nullptr;
};

}  // namespace trickle::http
