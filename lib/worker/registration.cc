#include "worker/registration.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string_view>
#include <thread>
#include <utility>

#include "base/log.h"
#include "base/redact.h"
#include "base/try.h"
#include "http/client.h"
#include "io/stop.h"

namespace trickle::worker {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAnswerDeadline{5000};
constexpr milliseconds kLastDeadline{2000};
constexpr milliseconds kFirstDelay{500};
constexpr milliseconds kLongestDelay{15'000};
constexpr int kOk = 200;
constexpr int kWrongSecret = 400;

std::string variable(const char* name, std::string otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr || *value == '\0' ? otherwise : value;
}

Result<int64_t> number_variable(const char* name, int64_t otherwise) {
  const std::string text = variable(name, std::to_string(otherwise));
  int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure == std::errc() && end == text.data() + text.size() && number >= 0) return number;
  return unexpected(ErrorKind::kUsage, fmt::format("{} must be a number from 0 on, not \"{}\"", name, text));
}

class Running final : public Registration {
 public:
  explicit Running(Capability capability) : capability_(std::move(capability)), thread_([this] { run(); }) {}

  ~Running() override {
    stop_.request_stop();
    thread_.join();
  }
  void stop() override { stop_.request_stop(); }

 private:
  void run() {
    milliseconds delay = kFirstDelay;
    while (!stop_.token().stop_requested()) {
      const int status = post("register", registration_body(capability_), kAnswerDeadline, true);
      if (status == kOk) {
        log::info("registered as \"{}\" with the orchestrator", capability_.name);
        pause(std::nullopt);
        if (post("unregister", capability_.name, kLastDeadline, false) == kOk) log::info("unregistered");
        return;
      }
      if (status == kWrongSecret) {
        return log::error("the orchestrator refuses the registration: is ORCH_SECRET right?");
      }
      pause(delay);
      delay = std::min(delay * 2, kLongestDelay);
    }
  }

  // The status of the answer, or 0 without one, which is logged.
  int post(const char* action, const std::string& body, milliseconds time, bool may_stop) {
    const std::string what = fmt::format("{}/capability/{}", capability_.orch_url, action);
    ConnectionOptions connection;
    connection.insecure = true;  // Orchestrators make their own certificates, which no one has signed.
    http::Client client(connection);
    http::ClientRequest request;
    request.method = "POST";
    request.url = what;
    request.text = body;
    request.headers = {{"Authorization", capability_.orch_secret}, {"Content-Type", "application/json"}};
    const auto transfer = client.start(request);
    const TimePoint deadline = system_clock().now() + time;
    const int stop_fd = may_stop ? stop_.token().fd() : -1;
    while (!transfer->done() && system_clock().now() < deadline) {
      if (may_stop && stop_.token().stop_requested()) return 0;
      std::array<pollfd, 1> watched{{{stop_fd, POLLIN, 0}}};
      client.wait(deadline, watched);
    }
    const std::string shown = redact_secrets(what);
    if (transfer->failure()) {
      log::warning("{}: {}", shown, transfer->failure()->error.to_string());
    } else if (!transfer->done() || transfer->head() == nullptr) {
      log::warning("{}: no answer in {} ms", shown, time.count());
    } else {
      if (transfer->head()->status != kOk) log::warning("{} answered {}", shown, transfer->head()->status);
      return transfer->head()->status;
    }
    return 0;
  }

  // Waits for the stop, or that long.
  void pause(std::optional<milliseconds> time) {
    pollfd entry{stop_.token().fd(), POLLIN, 0};
    while (::poll(&entry, 1, time ? static_cast<int>(time->count()) : -1) < 0) {
    }
  }

  Capability capability_;
  StopSource stop_;
  std::thread thread_;
};

}  // namespace

Result<std::optional<Capability>> capability_from_environment(const Endpoint& listening, size_t capacity) {
  Capability capability;
  capability.orch_url = variable("ORCH_URL", "");
  capability.orch_secret = variable("ORCH_SECRET", "");
  while (capability.orch_url.ends_with('/')) capability.orch_url.pop_back();
  if (capability.orch_url.empty() || capability.orch_secret.empty()) return std::optional<Capability>();
  capability.name = variable("CAPABILITY_NAME", capability.name);
  capability.description = variable("CAPABILITY_DESCRIPTION", capability.description);
  capability.url = variable("CAPABILITY_URL", "http://" + listening.to_string());
  TRICKLE_TRY_ASSIGN(capability.capacity,
                     number_variable("CAPABILITY_CAPACITY", static_cast<int64_t>(capacity)));
  TRICKLE_TRY_ASSIGN(capability.price_per_unit, number_variable("CAPABILITY_PRICE_PER_UNIT", 0));
  TRICKLE_TRY_ASSIGN(capability.price_scaling, number_variable("CAPABILITY_PRICE_SCALING", 1));
  return std::optional(std::move(capability));
}

std::string registration_body(const Capability& capability) {
  return nlohmann::ordered_json{{"url", capability.url},
                                {"name", capability.name},
                                {"description", capability.description},
                                {"capacity", capability.capacity},
                                {"price_per_unit", capability.price_per_unit},
                                {"price_scaling", capability.price_scaling}}
      .dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::unique_ptr<Registration> Registration::start(Capability capability) {
  return std::make_unique<Running>(std::move(capability));
}

}  // namespace trickle::worker
