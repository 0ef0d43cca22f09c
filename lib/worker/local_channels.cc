#include "worker/local_channels.h"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/json_depth.h"
#include "pipeline/control_reader.h"

namespace trickle::worker {
namespace {

using boost::asio::io_context;

class LocalPublisher final : public JsonPublisher {
 public:
  LocalPublisher(io_context& io, const std::string& url, const ConnectionOptions& connection,
                 pipeline::MessageKind kind)
      : io_(io), deadline_(io), channel_(pipeline::MessageChannel::start({url, "", connection, kind})) {}
  ~LocalPublisher() override {
    *alive_ = false;
    channel_->give_up();
    if (thread_.joinable()) thread_.join();
  }
  void publish(std::string line) override {
    if (!finishing_) channel_->publish(std::move(line));
  }
  void finish(std::chrono::milliseconds within, std::function<void()> done) override {
    finishing_ = true;
    done_ = std::move(done);
    thread_ = std::thread([this, alive = alive_] {
      channel_->finish();
      boost::asio::post(io_, [this, alive] {
        if (*alive) tell();
      });
    });
    deadline_.expires_after(within);
    deadline_.async_wait([this, alive = alive_](const boost::system::error_code& failure) {
      if (failure || !*alive) return;
      channel_->give_up();
      tell();
    });
  }

 private:
  void tell() {
    deadline_.cancel();
    if (auto done = std::exchange(done_, nullptr)) done();
  }
  io_context& io_;
  boost::asio::steady_timer deadline_;
  std::unique_ptr<pipeline::MessageChannel> channel_;
  bool finishing_ = false;
  std::function<void()> done_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::thread thread_;
};

class LocalSubscriber final : public JsonSubscriber {
 public:
  LocalSubscriber(io_context& io, const std::string& url, const ConnectionOptions& connection,
                  std::function<void(const nlohmann::json&)> on_document,
                  std::function<void(const std::string&)> on_junk)
      : io_(io),
        on_document_(std::move(on_document)),
        on_junk_(std::move(on_junk)),
        reader_(pipeline::ControlReader::start({url, "control: ", connection},
                                               [this](const std::string& text) { take(text); })) {}
  ~LocalSubscriber() override { *alive_ = false; }

 private:
  void take(const std::string& text) {
    boost::asio::post(io_,
                      [this, alive = alive_,
                       document = is_too_deep_json(text) ? nlohmann::json(nlohmann::json::value_t::discarded)
                                                         : nlohmann::json::parse(text, nullptr, false)] {
                        if (!*alive) return;
                        if (document.is_discarded())
                          return on_junk_("a segment of the control channel is no JSON");
                        on_document_(document);
                      });
  }
  io_context& io_;
  std::function<void(const nlohmann::json&)> on_document_;
  std::function<void(const std::string&)> on_junk_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<pipeline::ControlReader> reader_;  // The last: its thread uses what stands above.
};

}  // namespace

std::unique_ptr<JsonPublisher> make_local_publisher(io_context& io, const std::string& url,
                                                    const ConnectionOptions& connection,
                                                    pipeline::MessageKind kind) {
  return std::make_unique<LocalPublisher>(io, url, connection, kind);
}

std::unique_ptr<JsonSubscriber> make_local_subscriber(io_context& io, const std::string& url,
                                                      const ConnectionOptions& connection,
                                                      std::function<void(const nlohmann::json&)> on_document,
                                                      std::function<void(const std::string&)> on_junk) {
  return std::make_unique<LocalSubscriber>(io, url, connection, std::move(on_document), std::move(on_junk));
}

}  // namespace trickle::worker
