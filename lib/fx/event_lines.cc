#include "fx/event_lines.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <nlohmann/json.hpp>
#include <span>
#include <system_error>

#include "io/clock.h"
#include "io/fd_io.h"

namespace trickle::fx {
namespace {

using Json = nlohmann::ordered_json;

std::string finished(Json line, uint64_t lost) {
  line["time_ms"] = unix_time().count();
  if (lost > 0) line["lost_lines"] = lost;
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<UniqueFd> EventLines::open(const std::string& where) {
  if (!where.starts_with("fd:")) {
    UniqueFd file(::open(where.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (file) return file;
    return unexpected(ErrorKind::kIo,
                      fmt::format("--events {}: {}", where, std::generic_category().message(errno)));
  }
  int fd = -1;
  const char* const last = where.data() + where.size();
  const auto [end, error] = std::from_chars(where.data() + 3, last, fd);
  if (error != std::errc() || end != last || fd < 0 || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return unexpected(ErrorKind::kUsage, fmt::format("--events {}: there is no such open descriptor", where));
  }
  return UniqueFd(fd);
}

void EventLines::event(std::string_view what, std::string_view sentence) {
  const std::lock_guard lock(mutex_);
  write(finished({{"event", what}, {"message", sentence}}, lost_));
}

void EventLines::data(std::string_view json) {
  Json item = Json::parse(json, nullptr, false);
  if (item.is_discarded()) return;
  const std::lock_guard lock(mutex_);
  write(finished({{"data", std::move(item)}}, lost_));
}

// The video must not wait for whoever reads this.
void EventLines::write(std::string line) {
  if (!fd_) return;
  if (!writable_now(fd_.get())) {
    ++lost_;
    return;
  }
  lost_ = 0;
  if (!write_full(fd_.get(), std::as_bytes(std::span(line)))) fd_.reset();
}

}  // namespace trickle::fx
