// A worker with an HTTP API around a FrameProcessor: what trickle-serve does, with the whole stream in this
// process.
//
//   MyProcessor processor;
//   return trickle::App{processor, {.port = 8080}}.run() ? 0 : 1;
//
// The API is that of trickle-api(7): start, params, status, stop, health and the rest, by the same code as
// trickle-serve. One stream runs at a time. The parameters of a request are checked as there, and all of
// them, known or not, are handed to the processor.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trickle/export.h"
#include "trickle/frame.h"
#include "trickle/frame_processor.h"
#include "trickle/result.h"

namespace trickle {

struct AppOptions {
  std::string host = "127.0.0.1";  ///< "0.0.0.0": everybody may connect.
  uint16_t port = 8080;            ///< 0: any free one; see on_listening.
  std::string pipeline = "byoc";   ///< What /version tells.
  std::string model_id{};
  std::string app_version{};
  std::vector<std::string> tokens{};  ///< If any, everything but health needs one of them as a Bearer token.
  std::string server_token{};         ///< Bearer token for the trickle servers.
  bool insecure = false;              ///< Accept any TLS certificate of theirs.
  std::chrono::milliseconds start_timeout{10'000};  ///< How long a subscribe channel may be missing.
  int restart_limit = 3;  ///< Restarts of a stream that lost its server, within 120 s; one more ends it.
  PixelFormat format = PixelFormat::kYuv420p;  ///< What the processor gets.
  /// Told the address, "http://127.0.0.1:8080/", once requests are taken. On the thread of run().
  std::function<void(const std::string& url)> on_listening{};
  /// The first SIGINT or SIGTERM ends run() cleanly, the second the program. False: signals are yours.
  bool handle_signals = true;
};

class TRICKLE_API App {
 public:
  /// The processor is the caller's and must outlive the app.
  explicit App(FrameProcessor& processor, AppOptions options = {});
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  /// Serves until stop() or a signal; streams are then ended properly. load() runs meanwhile on a thread of
  /// its own: until it is done, starts are refused and health says LOADING. Call once. \return kIo when the
  /// address can't be bound, or what load() failed with.
  Result<void> run();
  /// Ends run(). From any thread.
  void stop();

 private:
  class TRICKLE_HIDDEN Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace trickle
