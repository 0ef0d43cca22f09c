#include "http/url.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <memory>

namespace trickle::http {
namespace {

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using UrlHandle = std::unique_ptr<CURLU, UrlDeleter>;

std::string part(CURLU* url, CURLUPart which) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, 0) != CURLUE_OK) return {};
  std::string value(text);
  curl_free(text);
  return value;
}

}  // namespace

Result<Url> Url::parse(std::string_view text) {
  const UrlHandle handle(curl_url());
  const std::string copy(text);
  const CURLUcode code = curl_url_set(handle.get(), CURLUPART_URL, copy.c_str(), CURLU_GUESS_SCHEME);
  if (code != CURLUE_OK) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("not a URL that can be used: {}", curl_url_strerror(code)));
  }
  const std::string scheme = part(handle.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("a channel's URL begins with http or https, not {}", scheme));
  }
  curl_url_set(handle.get(), CURLUPART_FRAGMENT, nullptr, 0);
  std::string path = part(handle.get(), CURLUPART_PATH);
  while (path.ends_with('/')) path.pop_back();
  curl_url_set(handle.get(), CURLUPART_PATH, path.c_str(), 0);

  Url url;
  const std::string query = part(handle.get(), CURLUPART_QUERY);
  if (!query.empty()) url.query_ = "?" + query;
  curl_url_set(handle.get(), CURLUPART_QUERY, nullptr, 0);
  url.base_ = part(handle.get(), CURLUPART_URL);
  while (url.base_.ends_with('/')) url.base_.pop_back();
  url.full_ = url.base_ + url.query_;
  for (const CURLUPart secret : {CURLUPART_USER, CURLUPART_PASSWORD}) {
    curl_url_set(handle.get(), secret, nullptr, 0);
  }
  url.display_ = part(handle.get(), CURLUPART_URL);
  while (url.display_.ends_with('/')) url.display_.pop_back();
  return url;
}

std::string Url::child(std::string_view name) const { return fmt::format("{}/{}{}", base_, name, query_); }

}  // namespace trickle::http
