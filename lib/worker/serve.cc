#include "worker/serve.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/try.h"
#include "pipeline/child.h"
#include "worker/channel_closer.h"

namespace trickle::worker {
namespace {

constexpr std::chrono::seconds kLastAnswers{2};

// A daemon started with a closed standard descriptor would otherwise hand its number to a socket.
Result<void> open_standard_descriptors() {
  int fd = 0;
  while (fd >= 0 && fd <= STDERR_FILENO) {
    fd = ::open("/dev/null", O_RDWR);
    if (fd < 0) return unexpected(ErrorKind::kIo, "can't open /dev/null");
  }
  ::close(fd);
  return {};
}

Result<void> find_programs(const std::filesystem::path& directory) {
  for (const char* program : {kSubProgram, kDecodeProgram, kFxProgram, kEncodeProgram, kPubProgram}) {
    if (auto found = pipeline::find_program(program, directory); !found) return unexpected(found.error());
  }
  return {};
}

}  // namespace

Result<void> serve(ServeOptions options, const StopToken& stop,
                   const std::function<Result<void>(const Endpoint&)>& on_listening) {
  TRICKLE_TRY(open_standard_descriptors());
  TRICKLE_TRY(find_programs(options.worker.stream.chain.program_directory));
  boost::asio::io_context io(1);
  ChannelClosers closers(io, options.worker.stream.plan);
  options.worker.stream.close_channel = [&closers](const std::string& url, std::function<void()> done) {
    closers.close(url, std::move(done));
  };
  Worker worker(io, std::move(options.worker));
  Api api(worker, std::move(options.api));
  http::Server server(io, {.server_name = "trickle-serve"},
                      [&api](const std::shared_ptr<http::Exchange>& exchange) { api.handle(exchange); });
  TRICKLE_TRY_ASSIGN(const Endpoint bound, server.listen(options.listen));
  TRICKLE_TRY(on_listening(bound));

  boost::asio::steady_timer last_answers(io);
  boost::asio::posix::stream_descriptor stop_event(io, ::fcntl(stop.fd(), F_DUPFD_CLOEXEC, 3));
  stop_event.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                        [&](const boost::system::error_code& e) {
                          if (e) return;
                          log::info("stopping");
                          worker.shut_down([&] {
                            server.stop_accepting([&io] { io.stop(); });
                            // A client in the middle of a request must not keep the daemon from ending.
                            last_answers.expires_after(kLastAnswers);
                            last_answers.async_wait([&io](const boost::system::error_code&) { io.stop(); });
                          });
                        });
  io.run();
  return {};
}

}  // namespace trickle::worker
