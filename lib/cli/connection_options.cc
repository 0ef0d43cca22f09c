#include "cli/connection_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <fstream>

#include "base/try.h"

namespace trickle::cli {
namespace {

Result<std::optional<int>> parse_retries(const std::string& text) {
  if (text == "forever") return std::optional<int>();
  int retries = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), retries);
  if (error != std::errc() || end != text.data() + text.size() || retries < 0) {
    return unexpected(ErrorKind::kUsage, fmt::format("--retry {}: write a number or forever", text));
  }
  return std::optional(retries);
}

Result<std::string> read_token(const std::string& file) {
  std::string token;
  if (file.empty()) {
    if (const char* variable = std::getenv("TRICKLE_TOKEN")) token = variable;
  } else {
    std::ifstream stream(file);
    if (!stream || !std::getline(stream, token)) {
      return unexpected(ErrorKind::kUsage, fmt::format("--token-file {}: can't read a token from it", file));
    }
  }
  while (!token.empty() && (token.back() == '\r' || token.back() == ' ')) token.pop_back();
  const bool printable =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < '\x7f'; });
  if (!printable) return unexpected(ErrorKind::kUsage, "the token holds characters that no token can have");
  return token;
}

}  // namespace

void add_connection_options(CLI::App& app, ConnectionArguments& arguments) {
  const std::string group = "Connection";
  app.add_option("--retry", arguments.retry, "Failures in a row that are tried again, or forever")
      ->type_name("N|forever")
      ->group(group);
  app.add_option("--header", arguments.options.headers, "Send this request header, too (repeatable)")
      ->type_name("'NAME: VALUE'")
      ->take_all()
      ->default_str("")
      ->group(group);
  app.add_option("--token-file", arguments.token_file,
                 "Authorise with the first line of FILE, else with $TRICKLE_TOKEN")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--cacert", arguments.options.ca_file, "Verify the server with this PEM bundle")
      ->type_name("FILE")
      ->group(group);
  app.add_flag("--public-only", arguments.options.public_only, "Connect to no address of a private network")
      ->group(group);
  app.add_flag("--insecure", arguments.options.insecure, "Accept any certificate")->group(group);
}

Result<ConnectionOptions> resolve_connection(const ConnectionArguments& arguments) {
  ConnectionOptions options = arguments.options;
  TRICKLE_TRY_ASSIGN(options.retries, parse_retries(arguments.retry));
  TRICKLE_TRY_ASSIGN(options.token, read_token(arguments.token_file));
  for (const std::string& header : options.headers) {
    const size_t colon = header.find(':');
    const bool one_line = header.find_first_of("\r\n") == std::string::npos;
    if (colon == std::string::npos || colon == 0 || !one_line) {
      return unexpected(ErrorKind::kUsage, "--header: write 'NAME: VALUE'");
    }
  }
  if (!options.ca_file.empty() && !std::ifstream(options.ca_file)) {
    return unexpected(ErrorKind::kUsage, fmt::format("--cacert {}: can't read it", options.ca_file));
  }
  return options;
}

}  // namespace trickle::cli
