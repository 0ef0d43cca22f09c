// Who may do what on a relay: lists of tokens, and the channels that each of them opens. Pure but for reading
// a file; nothing here ever says a token aloud.
//
// A token file has one `TOKEN [CHANNEL-PATTERN]` a line. In a pattern `*` stands for any characters and `?`
// for one; without a pattern a token opens every channel. Empty lines and lines that begin with `#` are
// passed over.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/request_head.h"
#include "trickle/result.h"

namespace trickle {

/// Immutable once made, so it may be asked from any thread.
class TokenList {
 public:
  /// \return kUsage for a line that is none, named by its number, or when there is no token at all.
  static Result<TokenList> parse(std::string_view text);
  /// The same for a file, whose name stands in the sentence; kUsage too when it can't be read.
  static Result<TokenList> read(const std::string& path);

  /// Whether `token` opens `channel`. Takes as long for a token that is nearly right as for any other.
  [[nodiscard]] bool opens(std::string_view token, std::string_view channel) const;
  [[nodiscard]] size_t size() const { return entries_.size(); }

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Entry {
    Digest digest;        // SHA-256 of the token: all of them have one length, and memory holds no secret.
    std::string pattern;  // Empty: every channel.
  };
  static Digest digest_of(std::string_view token);

  std::vector<Entry> entries_;
};

/// What a request wants to do.
enum class Wish {
  kRead,      ///< GET of a segment, of live or of a playlist.
  kReadNext,  ///< GET of next: readers and publishers alike.
  kWrite,     ///< POST and DELETE.
  kLookIn,    ///< The pages about all channels.
};

enum class Verdict {
  kAllowed,
  kTokenNeeded,  ///< 401: none was given.
  kForbidden,    ///< 403: it does not open this.
};

/// What has no list is open to everybody.
struct AccessRules {
  std::optional<TokenList> publish{};
  std::optional<TokenList> subscribe{};
  std::optional<TokenList> admin{};  ///< Opens everything, on the channels of its pattern.

  [[nodiscard]] Verdict decide(Wish wish, std::string_view channel,
                               const std::optional<std::string>& token) const;
  /// Whether it is one of the admin's tokens: never without a list of them.
  [[nodiscard]] bool is_admin(std::string_view channel, const std::optional<std::string>& token) const;
};

/// What the request names: `Authorization: Bearer TOKEN`, or else `?token=TOKEN`.
[[nodiscard]] std::optional<std::string> token_of(const http::RequestHead& head);

/// For the options of a program: reads the files that are named (an empty name: no list).
/// \return kUsage with the file's name and what is wrong with it.
Result<AccessRules> read_access_rules(const std::string& publish_file, const std::string& subscribe_file,
                                      const std::string& admin_file);

}  // namespace trickle
