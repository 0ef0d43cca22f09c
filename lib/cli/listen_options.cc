#include "cli/listen_options.h"

#include <fmt/format.h>

#include <unistd.h>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include <memory>

#include "base/log.h"
#include "base/try.h"

namespace trickle::cli {
namespace {

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

Result<void> write_port_file(const std::string& path, uint16_t port) {
  const std::string temporary = fmt::format("{}.{}.part", path, ::getpid());
  std::unique_ptr<std::FILE, FileCloser> file(std::fopen(temporary.c_str(), "we"));
  const bool written = file && std::fprintf(file.get(), "%u\n", static_cast<unsigned>(port)) > 0 &&
                       std::fflush(file.get()) == 0 && std::rename(temporary.c_str(), path.c_str()) == 0;
  if (written) return {};
  const int cause = errno;
  std::remove(temporary.c_str());
  return unexpected(ErrorKind::kIo,
                    fmt::format("cannot write the port file {}: {}", path, std::strerror(cause)));
}

}  // namespace

void add_listen_options(CLI::App& app, ListenOptions& options) {
  app.add_option("--listen", options.listen, "Address to listen on; port 0: any free one")
      ->type_name("HOST:PORT");
  app.add_option("--port-file", options.port_file, "Write the port's number to this file")->type_name("FILE");
}

Result<Endpoint> listen_endpoint(const ListenOptions& options) {
  auto endpoint = parse_endpoint(options.listen);
  if (endpoint) return endpoint;
  return unexpected(ErrorKind::kUsage, "--listen " + endpoint.error().message());
}

Result<void> announce_listening(const ListenOptions& options, const Endpoint& bound, const char* scheme) {
  if (!options.port_file.empty()) TRICKLE_TRY(write_port_file(options.port_file, bound.port));
  log::info("listening on {}://{}/", scheme, bound.to_string());
  return {};
}

}  // namespace trickle::cli
