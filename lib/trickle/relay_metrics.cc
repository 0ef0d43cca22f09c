// Relay: its numbers in the text format of Prometheus.
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <string_view>

#include "trickle/relay_state.h"
#include "trickle/version.h"

namespace trickle {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

struct Refusal {
  int status;
  const char* cause;
};
// All of them are always there, so that a rate can be computed from the first one on.
constexpr std::array kRefusals{
    Refusal{400, "malformed"},
    Refusal{401, "no_token"},
    Refusal{403, "wrong_token"},
    Refusal{404, "no_channel"},
    Refusal{405, "method"},
    Refusal{408, "slow_header"},
    Refusal{409, "superseded_writer"},
    Refusal{413, "segment_too_large"},
    Refusal{431, "header_too_large"},
    Refusal{470, "no_segment"},
    Refusal{501, "transfer_coding"},
    Refusal{503, "too_many_connections"},
    Refusal{505, "http_version"},
    Refusal{507, "no_memory"},
};

class Page {
 public:
  void gauge(const char* name, const char* help, double value) {
    ClientMetric metric;
    metric.gauge.value = value;
    family(name, help, MetricType::Gauge).metric.push_back(std::move(metric));
  }
  void counter(const char* name, const char* help, uint64_t value) {
    counter(family(name, help, MetricType::Counter), {}, value);
  }
  void counter(MetricFamily& family, std::vector<ClientMetric::Label> labels, uint64_t value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = static_cast<double>(value);
    family.metric.push_back(std::move(metric));
  }
  MetricFamily& family(const char* name, const char* help, MetricType type) {
    families_.push_back({name, help, type, {}});
    return families_.back();
  }
  [[nodiscard]] std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  std::vector<MetricFamily> families_;
};

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

void add_server(Page& page, const http::ServerNumbers& server) {
  page.gauge("trickle_relay_connections", "Connections that are open", static_cast<double>(server.open));
  page.counter("trickle_relay_connections_total", "Connections that were accepted", server.accepted);
  MetricFamily& answers = page.family("trickle_relay_answers_total", "Requests that were answered, by status",
                                      MetricType::Counter);
  for (size_t status = 100; status < server.answers.size(); ++status) {
    if (server.answers[status] == 0) continue;
    page.counter(answers, {{"status", std::to_string(status)}}, server.answers[status]);
  }
  MetricFamily& refused = page.family("trickle_relay_refused_requests_total",
                                      "Requests that were refused, by cause", MetricType::Counter);
  for (const auto& [status, cause] : kRefusals)
    page.counter(refused, {{"cause", cause}}, server.answers.at(static_cast<size_t>(status)));
}

void add_store(Page& page, const StoreTotals& store) {
  page.gauge("trickle_relay_channels", "Channels that are open", static_cast<double>(store.channels));
  page.gauge("trickle_relay_memory_bytes", "Memory that segments and channels take",
             static_cast<double>(store.footprint_bytes));
  page.counter("trickle_relay_received_bytes_total", "Bytes of segments that publishers sent",
               store.bytes_in);
  page.counter("trickle_relay_segments_total", "Segments that were completed", store.segments_closed);
  page.counter("trickle_relay_evictions_total", "Segments that left the window or gave room",
               store.segments_evicted);
  page.counter("trickle_relay_late_posts_total", "POSTs of segments that were complete or gone",
               store.late_posts);
  page.counter("trickle_relay_discarded_bytes_total", "Bytes of writers that had lost their segment",
               store.discarded_bytes);
}

void add_deliveries(Page& page, const RelayNumbers& numbers, uint64_t sent_bytes) {
  page.gauge("trickle_relay_readers", "GETs of segments in progress", static_cast<double>(numbers.readers));
  page.counter("trickle_relay_sent_bytes_total", "Bytes of segments that readers were sent", sent_bytes);
  page.counter("trickle_relay_deliveries_total", "Pieces of segments that readers were sent",
               numbers.deliveries);
  page.counter("trickle_relay_skips_total", "Readers that asked for segments that had left the window",
               numbers.skips);
  page.counter("trickle_relay_cut_off_readers_total", "Readers that were too slow for their segment",
               numbers.cut_off_readers);
  ClientMetric metric;
  metric.histogram.sample_count = numbers.delay.count();
  metric.histogram.sample_sum = seconds(numbers.delay.sum());
  uint64_t cumulative = 0;
  for (size_t i = 0; i < DelayHistogram::kBuckets; ++i) {
    cumulative += numbers.delay.buckets()[i];
    metric.histogram.bucket.push_back({cumulative, seconds(DelayHistogram::bound(i))});
  }
  page.family("trickle_relay_delivery_delay_seconds",
              "From the arrival of a piece until a waiting reader's socket took it", MetricType::Histogram)
      .metric.push_back(std::move(metric));
}

}  // namespace

void relay_metrics_page(const Relay::State& state, http::Exchange& exchange) {
  Page page;
  page.gauge("trickle_relay_uptime_seconds", "Since its start",
             seconds(system_clock().now() - state.started));
  add_server(page, state.server_numbers ? state.server_numbers() : http::ServerNumbers());
  add_store(page, state.store->totals());
  RelayNumbers numbers;
  state.add_numbers_to(numbers);
  add_deliveries(page, numbers, state.counters.bytes_out.load());
  exchange.respond({.headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"},
                                {"Cache-Control", "no-store"}},
                    .body = page.text()});
}

}  // namespace trickle
