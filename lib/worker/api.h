// The HTTP API of trickle-api(7): from requests to calls of Worker, and back to JSON.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "http/server.h"
#include "worker/effect_policy.h"
#include "worker/url_policy.h"
#include "worker/warm_pool.h"
#include "worker/worker.h"

namespace trickle::worker {

struct ApiOptions {
  std::string pipeline = "byoc";  ///< Shown by /version and /hardware.
  std::string model_id;
  std::string app_version;
  UrlRules urls;                                   ///< Which servers a request may name.
  EffectRules effects;                             ///< Which effects and files.
  double requests_per_second = 0;                  ///< From one address; 0: any number.
  std::function<WarmPool::Numbers()> spares;       ///< For /health; null: there are none.
  std::chrono::milliseconds body_timeout{30'000};  ///< From the head of a request to the end of its body.
  std::vector<std::string> tokens;  ///< If any: everything but health needs one of them as a Bearer token.
};

/// Belongs to the thread of the io_context, which the server and the worker share; all of them must outlive
/// it.
class Api {
 public:
  Api(boost::asio::io_context& io, Worker& worker, ApiOptions options);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  void handle(const std::shared_ptr<http::Exchange>& exchange);

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace trickle::worker
