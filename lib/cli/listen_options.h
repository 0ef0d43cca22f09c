// --listen and --port-file, the same in every tool that listens.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "io/endpoint.h"
#include "trickle/result.h"

namespace trickle::cli {

struct ListenOptions {
  std::string listen;     ///< HOST:PORT. Give it the tool's default before add_listen_options().
  std::string port_file;  ///< Empty: none.
};

/// Adds the options to `app`; `options` must outlive the parsing.
void add_listen_options(CLI::App& app, ListenOptions& options);

/// Where to listen. \return kUsage with a sentence when --listen is malformed.
Result<Endpoint> listen_endpoint(const ListenOptions& options);

/// Says `listening on http://HOST:PORT/` (or another scheme) on stderr and writes the port file, which
/// appears whole or not at all. \return kIo when the file can't be written.
Result<void> announce_listening(const ListenOptions& options, const Endpoint& bound,
                                const char* scheme = "http");

}  // namespace trickle::cli
