// Connections to a server on this machine or elsewhere, for load generators.
#pragma once

#include <netinet/in.h>

#include <string>
#include <string_view>

#include "bench/answer_reader.h"
#include "io/unique_fd.h"
#include "trickle/result.h"

namespace trickle::bench {

/// Where a server is, resolved once.
struct ServerAddress {
  sockaddr_in address{};
  std::string authority;  ///< HOST:PORT, for the Host field.
  std::string base;       ///< Begins and ends with a slash.
};

/// \param url  http://HOST[:PORT][/BASE] \return kUsage, or kNetwork for a name that can't be resolved.
Result<ServerAddress> resolve_server(const std::string& url);

enum class Blocking { kYes, kNo };
/// Connects, waiting for it; afterwards the socket is as wanted. Nagle's algorithm is off.
/// \param receive_buffer_bytes  0: the system's.
/// \return kNetwork.
Result<UniqueFd> connect_to(const ServerAddress& server, Blocking blocking, int receive_buffer_bytes = 0);

/// Writes all of it to a blocking socket. \return kNetwork.
Result<void> send_all(int fd, std::string_view bytes);

/// Sends a request on a connection of its own and waits for the head of the answer. \return kNetwork.
Result<AnswerHead> request(const ServerAddress& server, std::string_view method, std::string_view path,
                           std::string_view fields);

/// As many descriptors as the system lets us have. \return how many.
size_t raise_descriptor_limit();

}  // namespace trickle::bench
