// The options that say how to reach a trickle server, the same in every tool that does.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "trickle/connection_options.h"
#include "trickle/result.h"

namespace trickle::cli {

/// What the command line says, before it is checked.
struct ConnectionArguments {
  ConnectionOptions options;
  std::string retry = "5";
  std::string token_file;
};

/// Adds --retry, --header, --token-file, --cacert, --public-only and --insecure. `arguments` must outlive the
/// parsing.
void add_connection_options(CLI::App& app, ConnectionArguments& arguments);

/// Reads the token, from --token-file or else the variable TRICKLE_TOKEN, and checks the rest.
/// \return kUsage with a sentence that shows no secret.
Result<ConnectionOptions> resolve_connection(const ConnectionArguments& arguments);

}  // namespace trickle::cli
