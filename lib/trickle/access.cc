#include "trickle/access.h"

#include <fmt/format.h>
#include <fnmatch.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/try.h"

namespace trickle {
namespace {

constexpr std::string_view kBlanks = " \t\r";

// Takes the first word off `line`.
std::string_view take_word(std::string_view& line) {
  const size_t begin = std::min(line.find_first_not_of(kBlanks), line.size());
  line.remove_prefix(begin);
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

bool is_token(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

bool is_pattern(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           std::string_view("._~-*?").find(c) != std::string_view::npos;
  });
}

bool matches(const std::string& pattern, const std::string& channel) {
  return pattern.empty() || ::fnmatch(pattern.c_str(), channel.c_str(), FNM_NOESCAPE) == 0;
}

Result<std::optional<TokenList>> read_list(const char* option, const std::string& file) {
  if (file.empty()) return std::optional<TokenList>();
  auto list = TokenList::read(file);
  if (list) return std::optional<TokenList>(*std::move(list));
  return unexpected(ErrorKind::kUsage, fmt::format("{} {}", option, list.error().message()));
}

}  // namespace

TokenList::Digest TokenList::digest_of(std::string_view token) {
  Digest digest{};
  ::EVP_Digest(token.data(), token.size(), digest.data(), nullptr, ::EVP_sha256(), nullptr);
  return digest;
}

Result<TokenList> TokenList::parse(std::string_view text) {
  TokenList list;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view token = take_word(line);
    if (token.empty() || token.starts_with('#')) continue;
    const std::string_view pattern = take_word(line);
    if (!is_token(token)) {
      return unexpected(ErrorKind::kUsage,
                        fmt::format("line {}: the token holds characters that no token can have", number));
    }
    if (!is_pattern(pattern)) {
      return unexpected(ErrorKind::kUsage, fmt::format("line {}: no channel can match that pattern", number));
    }
    if (!take_word(line).empty()) {
      return unexpected(ErrorKind::kUsage,
                        fmt::format("line {}: more than a token and a channel pattern", number));
    }
    list.entries_.push_back({digest_of(token), std::string(pattern)});
  }
  if (list.entries_.empty()) return unexpected(ErrorKind::kUsage, "there is no token in it");
  return list;
}

Result<TokenList> TokenList::read(const std::string& path) {
  std::ifstream stream(path);
  std::ostringstream text;
  if (!stream || !(text << stream.rdbuf()))
    return unexpected(ErrorKind::kUsage, fmt::format("{}: can't read a token from it", path));
  auto list = parse(text.str());
  if (list) return list;
  return unexpected(ErrorKind::kUsage, fmt::format("{}: {}", path, list.error().message()));
}

bool TokenList::opens(std::string_view token, std::string_view channel) const {
  const Digest digest = digest_of(token);
  const std::string name(channel);
  unsigned found = 0;
  for (const Entry& entry : entries_) {
    const bool same = ::CRYPTO_memcmp(entry.digest.data(), digest.data(), digest.size()) == 0;
    found |= static_cast<unsigned>(same) & static_cast<unsigned>(matches(entry.pattern, name));
  }
  return found != 0;
}

bool AccessRules::is_admin(std::string_view channel, const std::optional<std::string>& token) const {
  return admin && token && admin->opens(*token, channel);
}

Verdict AccessRules::decide(Wish wish, std::string_view channel,
                            const std::optional<std::string>& token) const {
  const auto opens = [&](const std::optional<TokenList>& list) {
    return !list || (token && list->opens(*token, channel));
  };
  bool allowed = false;
  switch (wish) {
    case Wish::kRead:
      allowed = opens(subscribe);
      break;
    case Wish::kReadNext:
      allowed = opens(subscribe) || opens(publish);
      break;
    case Wish::kWrite:
      allowed = opens(publish);
      break;
    case Wish::kLookIn:
      allowed = opens(admin);
      break;
  }
  if (allowed || is_admin(channel, token)) return Verdict::kAllowed;
  return token ? Verdict::kForbidden : Verdict::kTokenNeeded;
}

std::optional<std::string> token_of(const http::RequestHead& head) {
  std::string_view value = head.header("Authorization");
  if (http::iequals(take_word(value), "Bearer")) {
    if (const std::string_view token = take_word(value); !token.empty()) return std::string(token);
  }
  for (const auto& [name, text] : head.query) {
    if (name == "token") return text;
  }
  return std::nullopt;
}

Result<AccessRules> read_access_rules(const std::string& publish_file, const std::string& subscribe_file,
                                      const std::string& admin_file) {
  AccessRules rules;
  TRICKLE_TRY_ASSIGN(rules.publish, read_list("--publish-token-file", publish_file));
  TRICKLE_TRY_ASSIGN(rules.subscribe, read_list("--subscribe-token-file", subscribe_file));
  TRICKLE_TRY_ASSIGN(rules.admin, read_list("--admin-token-file", admin_file));
  return rules;
}

}  // namespace trickle
