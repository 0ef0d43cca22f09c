#include "worker/serve.h"

#include <fcntl.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/redact.h"
#include "base/try.h"
#include "io/machine.h"
#include "io/systemd.h"
#include "pipeline/child.h"
#include "worker/channel_closer.h"
#include "worker/channel_memory.h"
#include "worker/registration.h"
#include "worker/warm_pool.h"

namespace trickle::worker {
namespace {

using boost::system::error_code;

constexpr std::chrono::seconds kLastAnswers{2};
constexpr std::chrono::seconds kCloseTime{5};  // Of a channel that was left behind.

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

// The streams need memory of their own beside the API.
http::ServerOptions server_options() {
  http::ServerOptions options;
  options.max_buffered_bytes = usable_memory_bytes() / 16;
  options.server_name = "trickle-serve";
  return options;
}

// Everything that runs on the one thread, in the order in which it must be destroyed.
class Service {
 public:
  Service(ServeOptions options, std::unique_ptr<ChannelMemory> memory)
      : own_process_(!options.worker.stream.local.make_chain),
        memory_(std::move(memory)),
        closers_(io_, options.worker.stream.plan),
        warm_(io_, options.worker.stream.chain.program_directory, options.worker.stream.chain.limits),
        worker_(io_, complete(options.worker)),
        api_(io_, worker_, with_spares(options.api)),
        server_(io_, server_options(),
                [this](const std::shared_ptr<http::Exchange>& exchange) { api_.handle(exchange); }),
        last_answers_(io_),
        watchdog_(io_),
        stop_event_(io_),
        level_signals_(io_) {
    if (own_process_) {
      level_signals_.add(SIGUSR1);
      level_signals_.add(SIGUSR2);
    }
    if (options.load) load(std::move(options.load));
    for (const fx::ChainSpec& effects : options.preload) preload(effects);
    if (own_process_) {
      for (size_t i = 0; i < options.warm; ++i) warm_.keep(plan_spare({}), nullptr);
    }
  }
  ~Service() {
    if (loading_.joinable()) loading_.join();
  }
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  Result<Endpoint> listen(const Endpoint& endpoint) { return server_.listen(endpoint); }

  void run(const StopToken& stop, std::unique_ptr<Registration> registration) {
    registration_ = std::move(registration);
    close_left_behind();
    stop_event_.assign(::fcntl(stop.fd(), F_DUPFD_CLOEXEC, 3));
    stop_event_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this](const error_code& failure) {
                             if (!failure) shut_down();
                           });
    if (own_process_) wait_for_level_signals();
    feed_watchdog();
    notify_systemd("READY=1");
    io_.run();
  }

 private:
  WorkerOptions complete(WorkerOptions options) {
    options.stream.close_channel = [this](const std::string& url, std::chrono::milliseconds within,
                                          std::function<void()> done) {
      closers_.close(url, within, std::move(done));
    };
    options.stream.chain.take_warm = [this](const std::vector<pipeline::StagePlan>& stages) {
      return warm_.take(stages);
    };
    if (memory_) {
      options.stream.on_channel_open = [this](const std::string& url) { memory_->remember(url); };
      options.stream.on_channel_closed = [this](const std::string& url) { memory_->forget(url); };
    }
    return options;
  }

  ApiOptions with_spares(ApiOptions options) {
    if (own_process_) options.spares = [this] { return warm_.numbers(); };
    return options;
  }

  // Streams are taken once the first process of each is ready, or is known to fail: those that don't ask for
  // it can do without.
  void preload(const fx::ChainSpec& effects) {
    worker_.begin_loading();
    warm_.keep(plan_spare(effects),
               [this, name = fx::to_string(effects)](const std::optional<std::string>& failure) {
                 if (!failure) log::info("{} is ready", name);
                 worker_.end_loading(failure);
               });
  }

  // Before the first start: it might be on one of these channels.
  void close_left_behind() {
    if (!memory_) return;
    for (const std::string& url : memory_->left_behind()) {
      log::info("closing {}, which a worker that was killed left open", redact_secrets(url));
      worker_.begin_loading();
      closers_.close(url, kCloseTime, [this, url] {
        memory_->forget(url);
        worker_.end_loading();
      });
    }
  }

  void load(std::function<void()> work) {
    worker_.begin_loading();
    loading_ = std::thread([this, work = std::move(work)] {
      work();
      boost::asio::post(io_, [this] { worker_.end_loading(); });
    });
  }

  void wait_for_level_signals() {
    level_signals_.async_wait([this](const error_code& failure, int signal) {
      if (failure) return;
      log::change_level(signal == SIGUSR1 ? 1 : -1);
      worker_.send_signal(signal);
      warm_.send_signal(signal);
      wait_for_level_signals();
    });
  }

  void feed_watchdog() {
    const auto limit = systemd_watchdog();
    if (!limit) return;
    watchdog_.expires_after(*limit / 2);
    watchdog_.async_wait([this](const error_code& failure) {
      if (failure) return;
      notify_systemd("WATCHDOG=1");
      feed_watchdog();
    });
  }

  void shut_down() {
    log::info("stopping");
    notify_systemd("STOPPING=1");
    if (registration_) registration_->stop();
    worker_.shut_down([this] {
      server_.stop_accepting([this] { io_.stop(); });
      // A client in the middle of a request must not keep the daemon from ending.
      last_answers_.expires_after(kLastAnswers);
      last_answers_.async_wait([this](const error_code&) { io_.stop(); });
    });
  }

  boost::asio::io_context io_{1};
  const bool own_process_;  // False in the library: signals and programs are then not ours.
  std::unique_ptr<ChannelMemory> memory_;
  std::unique_ptr<Registration> registration_;
  ChannelClosers closers_;
  WarmPool warm_;
  Worker worker_;
  Api api_;
  http::Server server_;
  boost::asio::steady_timer last_answers_;
  boost::asio::steady_timer watchdog_;
  boost::asio::posix::stream_descriptor stop_event_;
  boost::asio::signal_set level_signals_;
  std::thread loading_;
};

}  // namespace

Result<void> serve(ServeOptions options, const StopToken& stop,
                   const std::function<Result<void>(const Endpoint&)>& on_listening) {
  if (!options.worker.stream.local.make_chain) {
    TRICKLE_TRY(open_standard_descriptors());
    TRICKLE_TRY(find_programs(options.worker.stream.chain.program_directory));
  }
  std::unique_ptr<ChannelMemory> memory;
  if (!options.state_dir.empty()) {
    TRICKLE_TRY_ASSIGN(memory, ChannelMemory::open(options.state_dir));
  }
  const Endpoint wanted = options.listen;
  const size_t capacity = options.worker.capacity;
  Service service(std::move(options), std::move(memory));
  TRICKLE_TRY_ASSIGN(const Endpoint bound, service.listen(wanted));
  TRICKLE_TRY_ASSIGN(auto capability, capability_from_environment(bound, capacity));
  TRICKLE_TRY(on_listening(bound));
  service.run(stop, capability ? Registration::start(*std::move(capability)) : nullptr);
  return {};
}

}  // namespace trickle::worker
