#include "worker/json_publisher.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <csignal>
#include <deque>
#include <utility>

#include "base/log.h"
#include "io/fd_io.h"

namespace trickle::worker {
namespace {

constexpr size_t kMostWaiting = 256;
constexpr std::chrono::seconds kRestartDelay{5};

class State : public std::enable_shared_from_this<State> {
 public:
  State(boost::asio::io_context& io, SideChannelOptions options)
      : io_(io), options_(std::move(options)), timer_(io), pipe_(io) {}

  void launch();
  void publish(std::string line);
  void finish(std::chrono::milliseconds within, std::function<void()> done);
  void abandon() {
    finished_ = nullptr;
    ended_ = true;
    timer_.cancel();
    close_pipe();
    stage_.reset();
  }

 private:
  void write_next();
  void on_exit();
  void close_pipe() {
    boost::system::error_code ignored;
    pipe_.close(ignored);
  }
  void tell_finished() {
    ended_ = true;
    timer_.cancel();
    if (auto done = std::exchange(finished_, nullptr)) boost::asio::post(io_, std::move(done));
  }

  boost::asio::io_context& io_;
  SideChannelOptions options_;
  boost::asio::steady_timer timer_;
  boost::asio::posix::stream_descriptor pipe_;
  std::unique_ptr<pipeline::Stage> stage_;
  std::deque<std::string> waiting_;
  std::string in_flight_;
  bool restarted_ = false;
  bool finishing_ = false;
  bool ended_ = false;
  bool dropping_ = false;
  std::function<void()> finished_;
};

void State::launch() {
  auto pipe = make_pipe();
  if (!pipe) return options_.log.warning("{}", pipe.error().to_string());
  pipeline::StagePlan plan;
  plan.program = kPubProgram;
  plan.arguments = {"--split", "line", "--content-type"};
  if (options_.kind == pipeline::MessageKind::kJsonLines) {
    plan.arguments.insert(plan.arguments.end(), {"application/jsonl", "--keep-newline"});
  } else {
    plan.arguments.emplace_back("application/json");
  }
  if (restarted_) plan.arguments.insert(plan.arguments.end(), {"--start", "next"});
  if (options_.plan.insecure) plan.arguments.emplace_back("--insecure");
  if (options_.plan.public_only) plan.arguments.emplace_back("--public-only");
  plan.environment.emplace_back("TRICKLE_PUBLISH_URL", options_.url);
  if (!options_.plan.token.empty()) plan.environment.emplace_back("TRICKLE_TOKEN", options_.plan.token);
  pipeline::StageStart start;
  start.log = options_.log;
  start.limits = options_.limits;
  start.program_directory = options_.program_directory;
  start.standard_input = std::move(pipe->read_end);
  start.on_exit = [this] { on_exit(); };
  auto stage = pipeline::Stage::start(io_, plan, std::move(start));
  if (!stage) return options_.log.warning("{}", stage.error().to_string());
  stage_ = std::move(*stage);
  close_pipe();
  pipe_.assign(pipe->write_end.release());
  pipe_.non_blocking(true);
  write_next();
}

void State::publish(std::string line) {
  if (finishing_ || ended_) return;
  waiting_.push_back(std::move(line) + "\n");
  if (waiting_.size() > kMostWaiting) {
    waiting_.pop_front();
    if (!std::exchange(dropping_, true)) {
      options_.log.warning("documents are dropped: the server does not take them");
    }
  }
  write_next();
}

void State::write_next() {
  if (!in_flight_.empty() || !pipe_.is_open()) return;
  if (waiting_.empty()) {
    dropping_ = false;
    if (finishing_) close_pipe();
    return;
  }
  in_flight_ = std::move(waiting_.front());
  waiting_.pop_front();
  boost::asio::async_write(pipe_, boost::asio::buffer(in_flight_),
                           [self = shared_from_this()](const boost::system::error_code& failure, size_t) {
                             self->in_flight_.clear();
                             if (!failure) self->write_next();
                           });
}

void State::on_exit() {
  close_pipe();
  if (finishing_) return tell_finished();
  options_.log.warning("{}; trying again in {} s", stage_->describe_exit(), kRestartDelay.count());
  timer_.expires_after(kRestartDelay);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& failure) {
    if (failure || self->finishing_ || self->ended_) return;
    self->restarted_ = true;
    self->launch();
  });
}

void State::finish(std::chrono::milliseconds within, std::function<void()> done) {
  finished_ = std::move(done);
  finishing_ = true;
  if (!stage_ || stage_->exit()) return tell_finished();
  write_next();
  timer_.expires_after(within);
  timer_.async_wait([self = shared_from_this()](const boost::system::error_code& failure) {
    if (!failure && self->stage_) self->stage_->send_signal(SIGKILL);
  });
}

class PubProcess final : public JsonPublisher {
 public:
  PubProcess(boost::asio::io_context& io, SideChannelOptions options)
      : state_(std::make_shared<State>(io, std::move(options))) {
    state_->launch();
  }
  ~PubProcess() override { state_->abandon(); }
  void publish(std::string line) override { state_->publish(std::move(line)); }
  void finish(std::chrono::milliseconds within, std::function<void()> done) override {
    state_->finish(within, std::move(done));
  }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace

std::unique_ptr<JsonPublisher> JsonPublisher::start(boost::asio::io_context& io, SideChannelOptions options) {
  return std::make_unique<PubProcess>(io, std::move(options));
}

}  // namespace trickle::worker
