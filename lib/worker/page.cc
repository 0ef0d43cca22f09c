#include "worker/page.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

namespace trickle::worker {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 15> kEndpoints{{
    {"POST /api/stream/start", "start a stream"},
    {"POST /api/stream/params", "change its parameters"},
    {"GET /api/stream/status", "how it is doing"},
    {"POST /api/stream/stop", "stop it"},
    {"GET /api/streams", "every stream"},
    {"GET, DELETE /api/streams/{id}", "one stream"},
    {"PATCH /api/streams/{id}/params", "change its parameters"},
    {"GET /api/effects", "effects and their parameters"},
    {"GET /openapi.json", "this API for machines"},
    {"GET /health", "LOADING, IDLE, OK or ERROR"},
    {"GET /livez, /readyz", "for probes"},
    {"GET /metrics", "for Prometheus"},
    {"GET /version, /app-version", "versions"},
    {"GET /hardware/info", "GPUs"},
    {"GET /hardware/stats", "what the GPUs are doing"},
}};

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string stream_row(const Stream& stream) {
  const StreamNumbers n = stream.numbers();
  return fmt::format("<tr><td>{}<td>{}<td>{}<td>{:.1f}<td>{:.1f}<td>{}\n", escape_html(stream.request().id),
                     stream.state(), escape_html(fx::to_string(stream.params().effects)), n.ingress_video_fps,
                     n.egress_video_fps, escape_html(stream.last_error()));
}

}  // namespace

std::string overview_page(const Worker& worker) {
  std::string page =
      "<!doctype html><html lang=en><meta charset=utf-8><title>trickle-serve</title>\n"
      "<style>body{font:16px sans-serif;margin:2em}td,th{padding:.2em 1em .2em 0;text-align:left}</style>\n"
      "<h1>trickle-serve</h1>\n";
  page += fmt::format("<p>{}, {} of {} slots free\n", worker.health(), worker.free_slots(),
                      worker.free_slots() + worker.running().size());
  page += "<h2>Streams</h2><table><tr><th>id<th>state<th>effect<th>fps in<th>fps out<th>last error\n";
  for (const auto& stream : worker.running()) page += stream_row(*stream);
  page += "</table>\n<h2>Endpoints</h2><table>\n";
  for (const auto& [endpoint, text] : kEndpoints)
    page += fmt::format("<tr><td><code>{}</code><td>{}\n", endpoint, text);
  return page + "</table></html>\n";
}

}  // namespace trickle::worker
