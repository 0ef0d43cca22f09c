#include "worker/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <utility>
#include <vector>

namespace trickle::worker {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

class Families {
 public:
  void add(const std::string& name, const char* help, MetricType type, Labels labels, double value) {
    MetricFamily& family = named(name, help, type);
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.counter.value = value;
    metric.gauge.value = value;
    family.metric.push_back(std::move(metric));
  }
  [[nodiscard]] std::string text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  MetricFamily& named(const std::string& name, const char* help, MetricType type) {
    for (MetricFamily& family : families_) {
      if (family.name == name) return family;
    }
    MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    families_.push_back(std::move(family));
    return families_.back();
  }

  std::vector<MetricFamily> families_;
};

void add_stream(Families& families, const Stream& stream) {
  const StreamNumbers n = stream.numbers();
  const ClientMetric::Label id{"stream", stream.request().id};
  const auto gauge = [&](const char* name, const char* help, double value) {
    families.add(name, help, MetricType::Gauge, {id}, value);
  };
  const auto counter = [&](const char* name, const char* help, uint64_t value) {
    families.add(name, help, MetricType::Counter, {id}, static_cast<double>(value));
  };
  counter("trickle_stream_frames_in_total", "Video frames decoded", n.frames_in);
  counter("trickle_stream_frames_out_total", "Video frames encoded", n.frames_out);
  counter("trickle_stream_published_bytes_total", "Bytes published", n.bytes_published);
  counter("trickle_stream_restarts_total", "Restarts of the chain", stream.restarts());
  gauge("trickle_stream_fps_in", "Video frames decoded in a second", n.ingress_video_fps);
  gauge("trickle_stream_fps_out", "Video frames encoded in a second", n.egress_video_fps);
  for (const auto& [cause, count] : n.drops) {
    families.add("trickle_stream_drops_total", "What came in and did not go out", MetricType::Counter,
                 {id, {"cause", cause}}, static_cast<double>(count));
  }
  const auto latency = [&](const char* quantile, double milliseconds) {
    families.add("trickle_stream_latency_seconds", "Time that frames spend in the programs of the chain",
                 MetricType::Gauge, {id, {"quantile", quantile}}, milliseconds / 1000);
  };
  latency("0.5", n.latency_p50_ms);
  latency("0.99", n.latency_p99_ms);
  families.add("trickle_stream_state", "1 for the state that the stream is in", MetricType::Gauge,
               {id, {"state", stream.state()}}, 1);
}

}  // namespace

std::string metrics_text(const Worker& worker) {
  Families families;
  const auto running = worker.running();
  families.add("trickle_streams", "Streams that run", MetricType::Gauge, {},
               static_cast<double>(running.size()));
  families.add("trickle_free_slots", "Streams that could be started", MetricType::Gauge, {},
               static_cast<double>(worker.free_slots()));
  families.add("trickle_streams_started_total", "Streams that were started", MetricType::Counter, {},
               static_cast<double>(worker.started()));
  families.add("trickle_streams_failed_total", "Streams that ended with an error", MetricType::Counter, {},
               static_cast<double>(worker.failed()));
  for (const auto& stream : running) add_stream(families, *stream);
  return families.text();
}

}  // namespace trickle::worker
