#include "trickle/channel_info.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/try.h"
#include "base/units.h"
#include "http/client.h"
#include "http/url.h"
#include "trickle/answer.h"

namespace trickle {
namespace {

constexpr std::chrono::seconds kLongest{5};
constexpr std::chrono::seconds kQuiet{2};  // A segment that is being written is waited for no longer.

// \return -1 when the server doesn't know the word.
Result<int64_t> ask_for_next(const SubscriberOptions& options, const http::Url& url) {
  http::Client client(options.connection);
  const auto transfer = client.start({.method = "GET", .url = url.child("next"), .headers = {}});
  const TimePoint deadline = system_clock().now() + kServerTimeout;
  while (!transfer->done()) {
    std::array<pollfd, 1> watched{{{options.stop_fd, POLLIN, 0}}};
    client.wait(deadline, watched);
    if (watched[0].revents != 0) return unexpected(ErrorKind::kCancelled, "stopped by a signal");
    if (system_clock().now() >= deadline) {
      return unexpected(ErrorKind::kNetwork, fmt::format("{} does not answer", url.display()));
    }
  }
  if (const auto& failure = transfer->failure()) {
    return unexpected(
        Error(ErrorKind::kNetwork, fmt::format("can't reach {}", url.display()), failure->error));
  }
  const Answer answer = read_answer(*transfer->head());
  if (answer.status == 404) {
    return unexpected(ErrorKind::kNotFound, fmt::format("there is no channel {}", url.display()));
  }
  if (answer.status == 400 || answer.status == 405) return -1;
  if (answer.status != 200)
    return unexpected(status_error(answer.status, "can't look into it", url.display()));
  const auto body = transfer->received();
  const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
  return answer.latest.value_or(parse_sequence(text.substr(0, text.find_first_of("\r\n "))).value_or(0));
}

Result<void> read_segments(Subscriber& subscriber, ChannelInfo& info) {
  ts::TsProbe probe;
  const TimePoint deadline = system_clock().now() + kLongest;
  while (system_clock().now() < deadline) {
    const auto piece = subscriber.read();
    if (!piece && piece.error().kind() == ErrorKind::kNetwork && !info.segments.empty()) break;  // Quiet.
    if (!piece) return unexpected(piece.error());
    if (piece->kind == SubscriberPiece::Kind::kEndOfStream) break;
    if (info.segments.empty() || info.segments.back().number != piece->segment) {
      info.segments.push_back({piece->segment, 0, false});
    }
    info.segments.back().size_bytes += piece->bytes.size();
    info.content_type = subscriber.content_type();
    if (piece->kind == SubscriberPiece::Kind::kBytes) {
      probe.add({reinterpret_cast<const uint8_t*>(piece->bytes.data()), piece->bytes.size()});
      continue;
    }
    info.segments.back().complete = piece->complete;
    if (piece->segment >= info.next - 1) break;
  }
  info.streams = probe.streams();
  return {};
}

std::string describe(const ts::ProbedStream& stream) {
  std::string line = fmt::format("stream    PID {}: {}", stream.pid, ts::codec_name(stream.codec));
  if (stream.size) line += fmt::format(", {}x{}", stream.size->width, stream.size->height);
  if (stream.fps) line += fmt::format(", {:.4g} fps", *stream.fps);
  if (stream.gop_seconds) line += fmt::format(", a keyframe each {:.3g} s", *stream.gop_seconds);
  return line + "\n";
}

}  // namespace

Result<ChannelInfo> inspect_channel(const SubscriberOptions& options) {
  TRICKLE_TRY_ASSIGN(const http::Url url, http::Url::parse(options.url));
  ChannelInfo info{.url = url.display()};
  TRICKLE_TRY_ASSIGN(info.next, ask_for_next(options, url));
  if (info.next == 0) return info;
  SubscriberOptions reading{.url = options.url, .connection = options.connection, .start = "oldest"};
  reading.idle_timeout = kQuiet;
  reading.stop_fd = options.stop_fd;
  TRICKLE_TRY_ASSIGN(const auto subscriber, Subscriber::open(std::move(reading)));
  TRICKLE_TRY(read_segments(*subscriber, info));
  if (info.next < 0) info.next = info.segments.empty() ? 0 : info.segments.back().number + 1;
  return info;
}

std::string to_text(const ChannelInfo& info) {
  std::string text = fmt::format("channel   {}\nnext      {}\n", info.url, info.next);
  if (!info.content_type.empty()) text += fmt::format("type      {}\n", info.content_type);
  for (const auto& segment : info.segments) {
    text += fmt::format("segment   {}: {} ({} bytes){}\n", segment.number, format_bytes(segment.size_bytes),
                        segment.size_bytes, segment.complete ? "" : ", being written");
  }
  for (const auto& stream : info.streams) text += describe(stream);
  return text;
}

std::string to_json(const ChannelInfo& info) {
  nlohmann::ordered_json json{{"url", info.url}, {"next", info.next}};
  if (!info.content_type.empty()) json["content_type"] = info.content_type;
  json["segments"] = nlohmann::ordered_json::array();
  for (const auto& segment : info.segments) {
    json["segments"].push_back(
        {{"number", segment.number}, {"bytes", segment.size_bytes}, {"complete", segment.complete}});
  }
  json["streams"] = nlohmann::ordered_json::array();
  for (const auto& stream : info.streams) {
    nlohmann::ordered_json entry{{"pid", stream.pid}, {"codec", ts::codec_name(stream.codec)}};
    if (stream.size) {
      entry["width"] = stream.size->width;
      entry["height"] = stream.size->height;
    }
    if (stream.fps) entry["fps"] = rounded(*stream.fps, 3);
    if (stream.gop_seconds) entry["gop_s"] = rounded(*stream.gop_seconds, 3);
    json["streams"].push_back(std::move(entry));
  }
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace trickle
