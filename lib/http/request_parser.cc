#include "http/request_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>

namespace trickle::http {
namespace beast_http = boost::beast::http;

namespace {

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

RequestParser::RequestParser(size_t header_limit_bytes, size_t max_fields)
    : header_limit_bytes_(header_limit_bytes), max_fields_(max_fields) {
  header_limit(static_cast<std::uint32_t>(header_limit_bytes));
  body_limit(boost::none);
}

RequestParser::Fed RequestParser::feed_head(const char* data, size_t size_bytes) {
  error_code error;
  // Beast counts only what it finds incomplete, so it is shown no more than there may be.
  const size_t shown = std::min(size_bytes, header_limit_bytes_ - head_bytes_);
  const size_t consumed = put(boost::asio::const_buffer(data, shown), error);
  head_bytes_ += consumed;
  if (error && error != beast_http::error::need_more) return fed(consumed, error);
  if (!is_header_done()) {
    const bool too_large = head_bytes_ + (shown - consumed) == header_limit_bytes_;
    return fed(consumed, too_large ? beast_http::error::header_limit : error_code());
  }
  eager(true);
  return check_head(consumed);
}

RequestParser::Fed RequestParser::feed_body(const char* data, size_t size_bytes, std::string& body) {
  body_ = &body;
  error_code error;
  const size_t consumed = put(boost::asio::const_buffer(data, size_bytes), error);
  body_ = nullptr;
  return fed(consumed, error == beast_http::error::need_more ? error_code() : error);
}

RequestParser::Fed RequestParser::fed(size_t consumed_bytes, const error_code& error) const {
  if (!error) return {consumed_bytes, 0, nullptr};
  if (error == beast_http::error::header_limit)
    return {consumed_bytes, 431, "The request's header is too large"};
  if (error == beast_http::error::bad_version)
    return {consumed_bytes, 505, "Only HTTP/1.0 and HTTP/1.1 are spoken here"};
  if (error == beast_http::error::bad_transfer_encoding || error == beast_http::error::bad_content_length ||
      error == beast_http::error::multiple_content_length) {
    return {consumed_bytes, 400, "Content-Length and Transfer-Encoding contradict each other"};
  }
  return {consumed_bytes, 400, is_header_done() ? "Malformed request body" : "Malformed request"};
}

// What Beast doesn't check: Host, and Transfer-Encoding other than chunked.
RequestParser::Fed RequestParser::check_head(size_t consumed_bytes) {
  const size_t hosts = head_.header_count("Host");
  if (hosts > 1 || (hosts == 0 && head_.version == 11)) {
    return {consumed_bytes, 400, "A request needs exactly one Host header"};
  }
  const size_t codings = head_.header_count("Transfer-Encoding");
  if (codings > 0 && head_.version == 10) {  // RFC 9112, section 6.1.
    return {consumed_bytes, 400, "HTTP/1.0 has no transfer codings"};
  }
  if (codings > 1 || (codings == 1 && !iequals(head_.header("Transfer-Encoding"), "chunked"))) {
    return {consumed_bytes, 501, "The only transfer coding known here is chunked"};
  }
  if (!http::parse_target(head_) || head_.query.size() > max_fields_)
    return {consumed_bytes, 400, "Malformed request target"};
  return {consumed_bytes, 0, nullptr};
}

void RequestParser::on_request_impl(beast_http::verb, string_view method, string_view target, int version,
                                    error_code&) {
  head_.method = view(method);
  head_.target = view(target);
  head_.version = version;
}

void RequestParser::on_response_impl(int, string_view, int, error_code&) {}

void RequestParser::on_field_impl(beast_http::field, string_view name, string_view value, error_code& error) {
  // Trailers come here too in older Boosts; nobody asked for them.
  if (is_header_done()) return;
  if (head_.headers.size() == max_fields_) {
    error = beast_http::error::header_limit;
    return;
  }
  head_.headers.emplace_back(view(name), view(value));
}

void RequestParser::on_header_impl(error_code&) {}
void RequestParser::on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) {}

std::size_t RequestParser::on_body_impl(string_view body, error_code&) {
  body_->append(body.data(), body.size());
  return body.size();
}

void RequestParser::on_chunk_header_impl(std::uint64_t, string_view, error_code&) {}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, string_view body, error_code&) {
  body_->append(body.data(), body.size());
  return body.size();
}

void RequestParser::on_finish_impl(error_code&) {}

}  // namespace trickle::http
