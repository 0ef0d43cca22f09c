#include "worker/json_subscriber.h"

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"
#include "io/fd_io.h"
#include "pipeline/line_reader.h"
#include "worker/document_reader.h"

namespace trickle::worker {
namespace {

constexpr size_t kDocumentLimitBytes = 10 * 1000 * 1000;
constexpr std::chrono::seconds kRestartDelay{5};

class SubProcess final : public JsonSubscriber {
 public:
  SubProcess(boost::asio::io_context& io, SideChannelOptions options,
             std::function<void(const nlohmann::json&)> on_document,
             std::function<void(const std::string&)> on_junk)
      : io_(io),
        options_(std::move(options)),
        on_document_(std::move(on_document)),
        on_junk_(std::move(on_junk)),
        timer_(io),
        reader_(kDocumentLimitBytes) {
    launch(false);
  }

  ~SubProcess() override {
    if (lines_) lines_->close();
  }

 private:
  void launch(bool restarted);
  void on_exit();
  void take(std::string_view line);

  boost::asio::io_context& io_;
  SideChannelOptions options_;
  std::function<void(const nlohmann::json&)> on_document_;
  std::function<void(const std::string&)> on_junk_;
  boost::asio::steady_timer timer_;
  DocumentReader reader_;
  std::shared_ptr<pipeline::LineReader> lines_;
  std::unique_ptr<pipeline::Stage> stage_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // A timer's handler may outlive its timer.
};

void SubProcess::launch(bool restarted) {
  auto pipe = make_pipe();
  if (!pipe) return options_.log.warning("{}", pipe.error().to_string());
  pipeline::StagePlan plan;
  plan.program = kSubProgram;
  // Updates that came before we were there count; what stands in the channel at a restart has been applied.
  plan.arguments = {"--lines", "--wait", "--retry", "forever", "--start", restarted ? "next" : "oldest"};
  if (options_.plan.insecure) plan.arguments.emplace_back("--insecure");
  if (options_.plan.public_only) plan.arguments.emplace_back("--public-only");
  plan.environment.emplace_back("TRICKLE_SUBSCRIBE_URL", options_.url);
  if (!options_.plan.token.empty()) plan.environment.emplace_back("TRICKLE_TOKEN", options_.plan.token);
  pipeline::StageStart start;
  start.log = options_.log;
  start.limits = options_.limits;
  start.program_directory = options_.program_directory;
  start.standard_output = std::move(pipe->write_end);
  start.on_exit = [this] { on_exit(); };
  if (lines_) lines_->close();
  lines_ = pipeline::LineReader::start(io_, std::move(pipe->read_end), kDocumentLimitBytes,
                                       [this](std::string_view line) { take(line); });
  auto stage = pipeline::Stage::start(io_, plan, std::move(start));
  if (!stage) return options_.log.warning("{}", stage.error().to_string());
  stage_ = std::move(*stage);
}

void SubProcess::on_exit() {
  if (stage_->exit()->clean()) return options_.log.info("the channel has ended");
  options_.log.warning("{}; trying again in {} s", stage_->describe_exit(), kRestartDelay.count());
  timer_.expires_after(kRestartDelay);
  timer_.async_wait([this, alive = std::weak_ptr<bool>(alive_)](const boost::system::error_code& failure) {
    if (!failure && !alive.expired()) launch(true);
  });
}

void SubProcess::take(std::string_view line) {
  nlohmann::json document;
  switch (reader_.take(line, document)) {
    case DocumentReader::Outcome::kDocument:
      return on_document_(document);
    case DocumentReader::Outcome::kJunk:
      return on_junk_("a segment of the control channel is no JSON");
    case DocumentReader::Outcome::kIncomplete:
      break;
  }
}

}  // namespace

std::unique_ptr<JsonSubscriber> JsonSubscriber::start(boost::asio::io_context& io, SideChannelOptions options,
                                                      std::function<void(const nlohmann::json&)> on_document,
                                                      std::function<void(const std::string&)> on_junk) {
  return std::make_unique<SubProcess>(io, std::move(options), std::move(on_document), std::move(on_junk));
}

}  // namespace trickle::worker
