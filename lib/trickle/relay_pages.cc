// Relay: the pages about itself, as JSON.
#include <nlohmann/json.hpp>

#include "trickle/relay_state.h"
#include "trickle/version.h"

namespace trickle {
namespace {

using nlohmann::ordered_json;

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }

const char* state_name(SegmentState state) {
  switch (state) {
    case SegmentState::kWaiting:
      return "waiting";
    case SegmentState::kOpen:
      return "open";
    case SegmentState::kClosed:
      return "closed";
    case SegmentState::kEvicted:
      break;
  }
  return "evicted";
}

// Of the publisher: in the middle of a segment, connected for one to come, gone in the middle of one, or not
// there.
const char* writer_state(const ChannelReport& channel) {
  bool connected = false;
  bool vanished = false;
  for (const auto& segment : channel.segments) {
    if (segment.state == SegmentState::kOpen && segment.has_writer) return "writing";
    connected = connected || segment.has_writer;
    vanished = vanished || segment.state == SegmentState::kOpen;
  }
  return connected ? "connected" : vanished ? "vanished" : "none";
}

ordered_json channel_json(const ChannelReport& channel) {
  ordered_json segments = ordered_json::array();
  uint64_t bytes = 0;
  size_t readers = 0;
  for (const auto& segment : channel.segments) {
    segments.push_back({{"seq", segment.number},
                        {"state", state_name(segment.state)},
                        {"bytes", segment.size_bytes},
                        {"writer", segment.has_writer},
                        {"readers", segment.readers}});
    bytes += segment.size_bytes;
    readers += segment.readers;
  }
  return {{"name", channel.name},
          {"content_type", channel.content_type},
          {"next", channel.next},
          {"writer", writer_state(channel)},
          {"readers", readers},
          {"bytes", bytes},
          {"bytes_in", channel.bytes_in},
          {"bytes_in_per_s", channel.bytes_in_rate},
          {"bytes_out", channel.bytes_out},
          {"bytes_out_per_s", channel.bytes_out_rate},
          {"segments_per_s", channel.segments_rate},
          {"age_s", seconds(channel.age)},
          {"idle_s", seconds(channel.idle)},
          {"segments", std::move(segments)}};
}

void respond_json(http::Exchange& exchange, std::string body) {
  exchange.respond({.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}},
                    .body = std::move(body)});
}

void respond_json(http::Exchange& exchange, const ordered_json& document) {
  respond_json(exchange, document.dump() + "\n");
}

// A page of thousands of channels takes tens of milliseconds, in which nobody else is served: it is made anew
// only after twenty times the time that it took.
constexpr auto kLongPage = std::chrono::milliseconds(5);
constexpr int kPagePause = 20;

}  // namespace

void relay_channels_page(Relay::State& state, http::Exchange& exchange) {
  const TimePoint begun = system_clock().now();
  if (begun < state.large_channels_page_until) return respond_json(exchange, state.large_channels_page);
  ordered_json channels = ordered_json::array();
  for (const auto& channel : state.store->report()) channels.push_back(channel_json(channel));
  std::string page = ordered_json{{"channels", std::move(channels)}}.dump() + "\n";
  const Duration taken = system_clock().now() - begun;
  state.large_channels_page.clear();
  if (taken > kLongPage) {
    state.large_channels_page = page;
    state.large_channels_page_until = begun + kPagePause * taken;
  }
  respond_json(exchange, std::move(page));
}

void relay_health_page(Relay::State& state, http::Exchange& exchange) {
  const StoreTotals totals = state.store->totals();
  RelayNumbers numbers;
  state.add_numbers_to(numbers);
  respond_json(exchange, {{"status", state.shutting_down ? "stopping" : "ok"},
                          {"version", version()},
                          {"uptime_s", seconds(system_clock().now() - state.started)},
                          {"channels", totals.channels},
                          {"readers", uint64_t{numbers.readers}},
                          {"memory_bytes", totals.footprint_bytes},
                          {"bytes_in", totals.bytes_in},
                          {"bytes_out", state.counters.bytes_out.load()},
                          {"segments", totals.segments_closed},
                          {"evicted", totals.segments_evicted},
                          {"late_posts", totals.late_posts},
                          {"discarded_bytes", totals.discarded_bytes}});
}

std::string change_document(const std::string& channel, bool added) {
  ordered_json document;
  document[added ? "added" : "removed"] = ordered_json::array({channel});
  return document.dump();
}

}  // namespace trickle
