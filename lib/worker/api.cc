#include "worker/api.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <cctype>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>

#include "base/log.h"
#include "base/redact.h"
#include "base/try.h"
#include "fx/registry.h"
#include "trickle/version.h"
#include "worker/gpu.h"
#include "worker/metrics.h"
#include "worker/openapi.h"
#include "worker/page.h"
#include "worker/rate_limit.h"

namespace trickle::worker {
namespace {

using http::Exchange;
using http::Response;
using nlohmann::ordered_json;
using ExchangePtr = std::shared_ptr<Exchange>;

constexpr size_t kBodyLimitBytes = 10 * 1000 * 1000;

Response json_response(int status, const ordered_json& body) {
  return {.status = status,
          .headers = {{"Content-Type", "application/json"}},
          .body = body.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n"};
}

Response success(std::string_view message) {
  return json_response(200, {{"status", "success"}, {"message", message}});
}

// No header at all is read as JSON.
bool is_json(std::string_view content_type) {
  if (content_type.empty()) return true;
  std::string type(content_type.substr(0, content_type.find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  return http::iequals(type, "application/json") ||
         (type.size() > 5 && http::iequals(std::string_view(type).substr(type.size() - 5), "+json"));
}

std::vector<std::string> split_path(std::string_view raw_path) {
  std::vector<std::string> parts;
  while (!raw_path.empty()) {
    raw_path.remove_prefix(1);
    const size_t end = std::min(raw_path.find('/'), raw_path.size());
    parts.push_back(http::percent_decode(raw_path.substr(0, end)).value_or(""));
    raw_path.remove_prefix(end);
  }
  if (!parts.empty() && parts.back().empty()) parts.pop_back();
  return parts;
}

bool is_for_probes(std::string_view path) {
  return path == "/health" || path == "/livez" || path == "/readyz";
}

}  // namespace

class Api::Impl : public std::enable_shared_from_this<Api::Impl> {
 public:
  Impl(boost::asio::io_context& io, Worker& worker, ApiOptions options)
      : io_(io),
        worker_(worker),
        options_(std::move(options)),
        urls_(io, options_.urls),
        rate_limit_(options_.requests_per_second) {
    add_routes();
  }

  void handle(const ExchangePtr& exchange) {
    auto parts = split_path(exchange->head().raw_path);
    if (parts.size() == 3 && parts[0] == "api" && parts[1] == "stream") parts.erase(parts.begin());
    std::string id;
    if (parts.size() >= 3 && parts[0] == "api" && parts[1] == "streams") id = std::exchange(parts[2], "{id}");
    const std::string path = fmt::format("/{}", fmt::join(parts, "/"));
    if (!is_for_probes(path) && (!within_rate(exchange) || !authorized(exchange))) return;
    dispatch(path, id, exchange);
  }

 private:
  struct Route {
    std::string method, path;
    std::function<void(const ExchangePtr&, const std::string& id)> handler;
  };

  void add_routes();
  void dispatch(const std::string& path, const std::string& id, const ExchangePtr& exchange);
  // Each answers the request itself where it returns false.
  bool authorized(const ExchangePtr& exchange) const;
  bool within_rate(const ExchangePtr& exchange);
  void with_body(const ExchangePtr& exchange, bool must_be_json, std::function<void(std::string)> then);

  void start(const ExchangePtr& exchange);
  [[nodiscard]] Result<StartRequest> read_start(const std::string& body, std::string_view header_id) const;
  void start_checked(const ExchangePtr& exchange, StartRequest request);
  void params(const ExchangePtr& exchange, const std::string& id);
  void stop(const ExchangePtr& exchange, const std::string& id);
  void status(const ExchangePtr& exchange);
  void list_streams(const ExchangePtr& exchange);
  void show_stream(const ExchangePtr& exchange, const std::string& id);

  void add(std::string method, std::string path, std::function<Response()> make) {
    routes_.push_back({std::move(method), std::move(path),
                       [make = std::move(make)](const ExchangePtr& exchange, const std::string&) {
                         exchange->respond(make());
                       }});
  }
  [[nodiscard]] Response refuse(int status, std::string_view message) const {
    return json_response(status,
                         {{"status", "error"}, {"message", message}, {"current_state", worker_.state()}});
  }
  // Which stream a request means: the path, the header, the query, the body.
  [[nodiscard]] std::string named_stream(const ExchangePtr& exchange, const std::string& id,
                                         const nlohmann::json& body) const {
    if (!id.empty()) return id;
    if (const auto header = exchange->head().header("X-Stream-Id"); !header.empty())
      return std::string(header);
    if (const auto query = exchange->head().query_value("stream_id"); !query.empty())
      return std::string(query);
    if (!body.is_object()) return "";
    const auto found = body.find("gateway_request_id");
    return found != body.end() && found->is_string() ? found->get<std::string>() : "";
  }

  boost::asio::io_context& io_;
  Worker& worker_;
  ApiOptions options_;
  UrlPolicy urls_;
  RateLimit rate_limit_;
  std::vector<Route> routes_;
};

void Api::Impl::add_routes() {
  using Handler = std::function<void(const ExchangePtr&, const std::string&)>;
  const auto add_handler = [this](std::string method, std::string path, Handler handler) {
    routes_.push_back({std::move(method), std::move(path), std::move(handler)});
  };
  const Handler start_handler = [this](const ExchangePtr& e, const std::string&) { start(e); };
  add_handler("POST", "/stream/start", start_handler);
  add_handler("POST", "/live-video-to-video", start_handler);
  add_handler("POST", "/stream/params",
              [this](const ExchangePtr& e, const std::string& id) { params(e, id); });
  add_handler("POST", "/stream/stop", [this](const ExchangePtr& e, const std::string& id) { stop(e, id); });
  add_handler("GET", "/stream/status", [this](const ExchangePtr& e, const std::string&) { status(e); });
  add_handler("GET", "/api/streams", [this](const ExchangePtr& e, const std::string&) { list_streams(e); });
  add_handler("GET", "/api/streams/{id}",
              [this](const ExchangePtr& e, const std::string& id) { show_stream(e, id); });
  add_handler("DELETE", "/api/streams/{id}",
              [this](const ExchangePtr& e, const std::string& id) { stop(e, id); });
  add_handler("PATCH", "/api/streams/{id}/params",
              [this](const ExchangePtr& e, const std::string& id) { params(e, id); });

  add("GET", "/health", [this] {
    ordered_json body{{"status", worker_.health()}};
    if (const auto spares = options_.spares ? options_.spares() : WarmPool::Numbers{}; spares.kept > 0) {
      body["warm"] = {{"ready", spares.ready}, {"kept", spares.kept}};
    }
    return json_response(200, body);
  });
  add("GET", "/livez", [] { return success("alive"); });
  add("GET", "/readyz", [this] {
    if (worker_.loading()) return refuse(503, "still loading");
    return worker_.free_slots() > 0 ? success("ready") : refuse(503, "every slot is taken");
  });
  add("GET", "/version", [this] {
    return json_response(
        200, {{"pipeline", options_.pipeline}, {"model_id", options_.model_id}, {"version", version()}});
  });
  add("GET", "/app-version", [this] { return json_response(200, {{"version", options_.app_version}}); });
  const auto hardware = [this](std::string key, ordered_json (*make)(const std::vector<Gpu>&)) {
    return [this, key = std::move(key), make] {
      return json_response(
          200, {{"pipeline", options_.pipeline}, {"model_id", options_.model_id}, {key, make(read_gpus())}});
    };
  };
  add("GET", "/hardware/info", hardware("gpu_info", gpu_info_json));
  add("GET", "/hardware/stats", hardware("gpu_stats", gpu_stats_json));
  add("GET", "/api/effects", [] {
    return Response{
        .status = 200, .headers = {{"Content-Type", "application/json"}}, .body = fx::list_json()};
  });
  add("GET", "/openapi.json", [] { return json_response(200, openapi()); });
  add("GET", "/metrics", [this] {
    return Response{.status = 200,
                    .headers = {{"Content-Type", "text/plain; version=0.0.4"}},
                    .body = metrics_text(worker_)};
  });
  add("GET", "/", [this] {
    return Response{.status = 200,
                    .headers = {{"Content-Type", "text/html; charset=utf-8"}},
                    .body = overview_page(worker_)};
  });
}

void Api::Impl::dispatch(const std::string& path, const std::string& id, const ExchangePtr& exchange) {
  std::string method = exchange->head().method;
  if (method == "HEAD") method = "GET";
  std::vector<std::string> allowed;
  for (const Route& route : routes_) {
    if (route.path != path) continue;
    if (route.method == method) return route.handler(exchange, id);
    allowed.push_back(route.method);
  }
  if (allowed.empty()) return exchange->respond(refuse(404, fmt::format("there is no {}", path)));
  if (std::find(allowed.begin(), allowed.end(), "GET") != allowed.end()) allowed.emplace_back("HEAD");
  auto response = refuse(405, fmt::format("{} takes {}", path, fmt::join(allowed, ", ")));
  response.headers.emplace_back("Allow", fmt::format("{}", fmt::join(allowed, ", ")));
  exchange->respond(std::move(response));
}

bool Api::Impl::within_rate(const ExchangePtr& exchange) {
  const std::string_view peer = exchange->head().peer;
  if (rate_limit_.take(peer.substr(0, peer.rfind(':')), system_clock().now())) return true;
  auto response = refuse(429, fmt::format("more than {} requests a second", options_.requests_per_second));
  response.headers.emplace_back("Retry-After", "1");
  exchange->respond(std::move(response));
  return false;
}

bool Api::Impl::authorized(const ExchangePtr& exchange) const {
  if (options_.tokens.empty()) return true;
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view value = exchange->head().header("Authorization");
  if (value.size() > kScheme.size() && http::iequals(value.substr(0, kScheme.size()), kScheme)) {
    const std::string_view token = value.substr(kScheme.size());
    // Each token is compared in full, so that the time taken tells nothing about them.
    bool known = false;
    for (const std::string& candidate : options_.tokens) {
      unsigned char difference = candidate.size() == token.size() ? 0 : 1;
      for (size_t i = 0; i < candidate.size(); ++i) {
        difference |= static_cast<unsigned char>(candidate[i] ^ token[i % token.size()]);
      }
      known |= difference == 0;
    }
    if (known) return true;
    exchange->respond(refuse(403, "the token is not one of ours"));
    return false;
  }
  auto response = refuse(401, "a Bearer token is needed");
  response.headers.emplace_back("WWW-Authenticate", "Bearer");
  exchange->respond(std::move(response));
  return false;
}

void Api::Impl::with_body(const ExchangePtr& exchange, bool must_be_json,
                          std::function<void(std::string)> then) {
  if (must_be_json && !is_json(exchange->head().header("Content-Type"))) {
    return exchange->respond(refuse(415, "the Content-Type must be application/json"));
  }
  const auto timer = std::make_shared<boost::asio::steady_timer>(io_, options_.body_timeout);
  timer->async_wait([self = shared_from_this(), exchange](const boost::system::error_code& failure) {
    if (failure) return;
    auto response = self->refuse(408, "the body did not come in time");
    response.close = true;
    exchange->respond(std::move(response));
  });
  exchange->read_body(kBodyLimitBytes, [self = shared_from_this(), exchange, must_be_json, timer,
                                        then = std::move(then)](Result<std::string> body) {
    timer->cancel();
    if (body) return then(*std::move(body));
    if (body.error().kind() == ErrorKind::kClosed) return;
    if (body.error().kind() == ErrorKind::kUsage) {
      return exchange->respond(
          self->refuse(413, fmt::format("the body is larger than {} bytes", kBodyLimitBytes)));
    }
    if (!must_be_json) return then("");
    exchange->respond(self->refuse(400, body.error().to_string()));
  });
}

void Api::Impl::start(const ExchangePtr& exchange) {
  with_body(exchange, true, [this, exchange](const std::string& body) {
    auto request = read_start(body, exchange->head().header("X-Stream-Id"));
    if (!request) {
      log::info("start refused: {}", redact_secrets(request.error().to_string()));
      return exchange->respond(refuse(400, request.error().to_string()));
    }
    const std::vector<std::string> urls{request->subscribe_url, request->publish_url, request->control_url,
                                        request->events_url, request->data_url};
    urls_.check(urls, [self = shared_from_this(), exchange,
                       request = *std::move(request)](const std::optional<std::string>& objection) mutable {
      if (!objection) return self->start_checked(exchange, std::move(request));
      log::StreamLog(request.id).info("start refused: {}", *objection);
      exchange->respond(self->refuse(400, *objection));
    });
  });
}

Result<StartRequest> Api::Impl::read_start(const std::string& body, std::string_view header_id) const {
  TRICKLE_TRY_ASSIGN(StartRequest request, parse_start(body, header_id));
  TRICKLE_TRY_ASSIGN(request.params.effects, admit_effects(request.params.effects, options_.effects));
  return request;
}

void Api::Impl::start_checked(const ExchangePtr& exchange, StartRequest request) {
  const std::string id = request.id;
  if (const auto refusal = worker_.start(std::move(request))) {
    log::StreamLog(id).info("start refused: {}", refusal->message);
    return exchange->respond(refuse(refusal->status, refusal->message));
  }
  exchange->respond(json_response(200, {{"status", "success"},
                                        {"message", "Stream started successfully"},
                                        {"request_id", id},
                                        {"current_state", worker_.state()}}));
}

void Api::Impl::params(const ExchangePtr& exchange, const std::string& id) {
  with_body(exchange, true, [this, exchange, id](const std::string& text) {
    auto body = parse_object(text);
    if (!body) return exchange->respond(refuse(400, body.error().to_string()));
    const auto choice = worker_.choose(named_stream(exchange, id, *body));
    if (!choice.stream) return exchange->respond(refuse(id.empty() ? 400 : 404, choice.refusal.message));
    body->erase("gateway_request_id");
    if (const auto updated = choice.stream->update(*body); !updated) {
      return exchange->respond(refuse(400, updated.error().to_string()));
    }
    exchange->respond(success("Parameters updated successfully"));
  });
}

void Api::Impl::stop(const ExchangePtr& exchange, const std::string& id) {
  with_body(exchange, false, [this, exchange, id](const std::string& text) {
    const auto body = parse_object(text).value_or(nlohmann::json());
    const auto choice = worker_.choose(named_stream(exchange, id, body));
    if (!choice.stream) return exchange->respond(refuse(id.empty() ? 400 : 404, choice.refusal.message));
    choice.stream->stop([exchange] { exchange->respond(success("Stream stopped successfully")); });
  });
}

void Api::Impl::status(const ExchangePtr& exchange) {
  ordered_json body = worker_.state();
  const auto running = worker_.running();
  const std::string id = named_stream(exchange, "", {});
  const auto choice = worker_.choose(id);
  if (!choice.stream && (!id.empty() || running.size() > 1)) {
    return exchange->respond(refuse(400, choice.refusal.message));
  }
  body["client_active"] = choice.stream != nullptr;
  if (choice.stream) {
    const ordered_json details = choice.stream->status();
    const StartRequest& request = choice.stream->request();
    body["client_running"] = true;
    body["fps"] = details["fps"];
    body["current_params"] = {{"subscribe_url", redact_secrets(request.subscribe_url)},
                              {"publish_url", redact_secrets(request.publish_url)},
                              {"gateway_request_id", request.id}};
  }
  body["stream_count"] = running.size();
  body["streams"] = ordered_json::array();
  for (const auto& stream : running) body["streams"].push_back(stream->status());
  exchange->respond(json_response(200, body));
}

void Api::Impl::list_streams(const ExchangePtr& exchange) {
  ordered_json body{{"streams", ordered_json::array()}, {"ended", ordered_json::array()}};
  for (const auto& stream : worker_.running()) body["streams"].push_back(stream->status());
  for (const auto& stream : worker_.ended()) body["ended"].push_back(stream->status());
  exchange->respond(json_response(200, body));
}

void Api::Impl::show_stream(const ExchangePtr& exchange, const std::string& id) {
  if (const auto choice = worker_.choose(id); choice.stream) {
    return exchange->respond(json_response(200, choice.stream->status()));
  }
  const auto& ended = worker_.ended();
  const auto found = std::find_if(ended.rbegin(), ended.rend(),
                                  [&](const auto& stream) { return stream->request().id == id; });
  if (found != ended.rend()) return exchange->respond(json_response(200, (*found)->status()));
  exchange->respond(refuse(404, fmt::format("there is no stream \"{}\"", id)));
}

Api::Api(boost::asio::io_context& io, Worker& worker, ApiOptions options)
    : impl_(std::make_shared<Impl>(io, worker, std::move(options))) {}
Api::~Api() = default;
void Api::handle(const std::shared_ptr<http::Exchange>& exchange) { impl_->handle(exchange); }

}  // namespace trickle::worker
