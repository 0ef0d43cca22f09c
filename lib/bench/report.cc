#include "bench/report.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <thread>

#include "io/fd_io.h"

namespace trickle::bench {
namespace {

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

}  // namespace

std::string Table::to_string() const {
  std::vector<size_t> widths(rows_.front().size());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line = fmt::format("{:<{}}", row[0], widths[0]);
    for (size_t i = 1; i < row.size(); ++i) line += fmt::format("  {:>{}}", row[i], widths[i]);
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

nlohmann::json machine() {
  utsname system{};
  ::uname(&system);
  double load[3] = {0, 0, 0};
  (void)::getloadavg(load, 3);
  return {{"cpu", cpu_model()},
          {"cores", std::thread::hardware_concurrency()},
          {"kernel", system.release},
          {"load_1m", load[0]}};
}

std::string machine_line() {
  const auto about = machine();
  return fmt::format("{}, {} cores, Linux {}, load {:.2f}", about["cpu"].get<std::string>(),
                     about["cores"].get<int>(), about["kernel"].get<std::string>(),
                     about["load_1m"].get<double>());
}

Result<void> print(const std::string& text) {
  return write_full(STDOUT_FILENO, std::as_bytes(std::span(text)));
}

Result<void> write_json(const std::string& path, const nlohmann::json& document) {
  if (path.empty()) return {};
  const std::string text = document.dump(2) + "\n";
  if (path == "-") return print(text);
  std::ofstream file(path);
  file << text << std::flush;
  if (!file) return unexpected(ErrorKind::kIo, "cannot write " + path);
  return {};
}

}  // namespace trickle::bench
