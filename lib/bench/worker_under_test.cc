#include "bench/worker_under_test.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/try.h"
#include "io/clock.h"

namespace trickle::bench {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr auto kReadyDeadline = 60s;

// As its own examples do it: frames are tensors of floats from 0 to 1, and the first channel is red.
constexpr const char* kPeerScript = R"(
import sys
from pytrickle import StreamProcessor

async def red_tint(frame):
    tensor = frame.tensor.clone()
    tensor[..., 0] = (tensor[..., 0] + 0.5).clamp(0.0, 1.0)
    return frame.replace_tensor(tensor)

StreamProcessor(video_processor=red_tint, name="bench", port=int(sys.argv[1]), route_prefix="/api",
                validate_signature=False).run()
)";

// Free at this moment; somebody else may take it before our server does, and then that server says so.
Result<uint16_t> free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    return unexpected(ErrorKind::kIo, "there is no free port on 127.0.0.1");
  }
  return ntohs(address.sin_port);
}

struct WholeAnswer {
  HttpAnswer answer;
  bool ended = false;
  void on_head(const AnswerHead& head) { answer.status = head.status; }
  void on_body(std::span<const char> bytes) { answer.body.append(bytes.data(), bytes.size()); }
  void on_end() { ended = true; }
};

bool takes_streams(const ServerAddress& address) {
  const auto health = call(address, "GET", "/health");
  if (!health || health->status != 200) return false;
  return json::parse(health->body, nullptr, false).value("status", "") == "IDLE";
}

}  // namespace

Result<HttpAnswer> call(const ServerAddress& server, std::string_view method, std::string_view path,
                        const std::string& json_body) {
  TRICKLE_TRY_ASSIGN(const UniqueFd fd, connect_to(server, Blocking::kYes));
  TRICKLE_TRY(
      send_all(fd.get(),
               fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json"
                           "\r\nContent-Length: {}\r\n\r\n{}",
                           method, path, server.authority, json_body.size(), json_body)));
  AnswerReader reader;
  WholeAnswer whole;
  char buffer[16 * 1024];
  while (!whole.ended) {
    const ssize_t count = ::recv(fd.get(), buffer, sizeof buffer, 0);
    if (count <= 0 || !reader.feed({buffer, static_cast<size_t>(count)}, whole)) {
      return unexpected(ErrorKind::kNetwork, fmt::format("no answer to {} {}", method, path));
    }
  }
  return whole.answer;
}

WorkerKind own_worker(std::string label, std::vector<std::string> options) {
  WorkerKind kind{
      std::move(label),
      {program_beside("trickle-serve"), "--listen", "127.0.0.1:{port}", "--log-level", "warning"}};
  kind.command.insert(kind.command.end(), options.begin(), options.end());
  return kind;
}

Result<WorkerKind> peer_worker(const std::string& python) {
  if (!run_program({python, "-c", "import pytrickle"})) {
    return unexpected(ErrorKind::kUsage, fmt::format("{} can't import pytrickle", python));
  }
  return WorkerKind{"pytrickle", {python, "-W", "ignore", "-c", kPeerScript, "{port}"}};
}

Result<LiveWorker> LiveWorker::start(const WorkerKind& kind, const StopToken& stop) {
  TRICKLE_TRY_ASSIGN(const uint16_t port, free_port());
  std::vector<std::string> command = kind.command;
  for (std::string& argument : command) {
    if (const size_t at = argument.find("{port}"); at != std::string::npos)
      argument.replace(at, 6, std::to_string(port));
  }
  LiveWorker worker;
  TRICKLE_TRY_ASSIGN(worker.address_, resolve_server(fmt::format("http://127.0.0.1:{}/", port)));
  const TimePoint begin = system_clock().now();
  TRICKLE_TRY_ASSIGN(worker.program_, Program::start(command));
  while (!takes_streams(worker.address_)) {
    if (stop.stop_requested()) return unexpected(ErrorKind::kCancelled, "stopped");
    if (system_clock().now() - begin > kReadyDeadline) {
      return unexpected(ErrorKind::kNetwork, fmt::format("{} did not get ready", kind.label));
    }
    std::this_thread::sleep_for(1ms);
  }
  worker.ready_after_ = system_clock().now() - begin;
  return worker;
}

Result<void> LiveWorker::start_stream(const json& request) const {
  TRICKLE_TRY_ASSIGN(const HttpAnswer answer, call(address_, "POST", "/api/stream/start", request.dump()));
  if (answer.status == 200) return {};
  return unexpected(ErrorKind::kInternal,
                    fmt::format("start was answered {}: {}", answer.status, answer.body));
}

Result<void> LiveWorker::stop_stream(const std::string& id) const {
  TRICKLE_TRY_ASSIGN(const HttpAnswer answer,
                     call(address_, "POST", "/api/stream/stop?stream_id=" + id, "{}"));
  // 400: it has ended by itself.
  if (answer.status == 200 || answer.status == 400) return {};
  return unexpected(ErrorKind::kInternal,
                    fmt::format("stop was answered {}: {}", answer.status, answer.body));
}

Result<json> LiveWorker::get(const std::string& path) const {
  TRICKLE_TRY_ASSIGN(const HttpAnswer answer, call(address_, "GET", path));
  json document = json::parse(answer.body, nullptr, false);
  if (answer.status == 200 && !document.is_discarded()) return document;
  return unexpected(ErrorKind::kInternal, fmt::format("{} was answered {}", path, answer.status));
}

}  // namespace trickle::bench
