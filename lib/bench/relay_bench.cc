#include "bench/relay_bench.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/try.h"
#include "bench/report.h"
#include "bench/server_under_test.h"

namespace trickle::bench {
namespace {

using nlohmann::json;

double milliseconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }
double microseconds(std::chrono::nanoseconds time) { return static_cast<double>(time.count()) / 1e3; }

// One server with one load; each round measures every variant once.
struct Variant {
  std::string label;
  const ServerUnderTest* target;
  LoadOptions load;
};

struct Sample {
  LoadResult load;
  std::chrono::nanoseconds server_cpu{0};
  std::chrono::nanoseconds generator_cpu{0};
  double waiting_kib = 0;  ///< RSS for each reader that waits.
  double running_kib = 0;
};

Result<Sample> measure(const Variant& variant, const RelayBenchOptions& options, const StopToken& stop) {
  TRICKLE_TRY_ASSIGN(const LiveServer server, variant.target->bring_up(options.server_cores));
  Sample sample;
  const auto rss = [&server] { return memory_of(server.pid).value_or(Memory{}).rss_bytes; };
  const uint64_t rss_before = rss();
  const auto kib_each = [&](uint64_t now) {
    const double grown = now > rss_before ? static_cast<double>(now - rss_before) : 0;
    return grown / 1024 / static_cast<double>(variant.load.subscribers);
  };
  std::chrono::nanoseconds server_start{0}, own_start{0};
  LoadHooks hooks;
  hooks.all_waiting = [&] {
    await_idle(server.pid);
    sample.waiting_kib = kib_each(rss());
    server_start = cpu_time(server.pid).value_or(std::chrono::nanoseconds(0));
    own_start = own_cpu_time();
  };
  hooks.published_all = [&] { sample.running_kib = kib_each(rss()); };
  hooks.received_all = [&] {
    sample.server_cpu = cpu_time(server.pid).value_or(server_start) - server_start;
    sample.generator_cpu = own_cpu_time() - own_start;
  };
  TRICKLE_TRY_ASSIGN(sample.load, run_load(variant.load, server.address, hooks, stop));
  return sample;
}

double each(std::chrono::nanoseconds cpu, const Sample& sample) {
  return sample.load.deliveries > 0 ? microseconds(cpu) / static_cast<double>(sample.load.deliveries) : 0;
}

json to_json(const Sample& sample) {
  const LoadResult& load = sample.load;
  const double seconds = std::max(load.seconds, 1e-9);
  return {{"deliveries", load.deliveries},
          {"deliveries_per_s", static_cast<double>(load.deliveries) / seconds},
          {"bytes_per_s", static_cast<double>(load.bytes) / seconds},
          {"seconds", load.seconds},
          {"server_cpu_us_per_delivery", each(sample.server_cpu, sample)},
          {"generator_cpu_us_per_delivery", each(sample.generator_cpu, sample)},
          {"server_cpu_share", milliseconds(sample.server_cpu) / 1e3 / seconds},
          {"delay_p50_ms", milliseconds(load.delays.at(0.5))},
          {"delay_p99_ms", milliseconds(load.delays.at(0.99))},
          {"delay_max_ms", milliseconds(load.delays.max())},
          {"rss_waiting_kib_per_reader", sample.waiting_kib},
          {"rss_running_kib_per_reader", sample.running_kib},
          {"publisher_late_ms", milliseconds(load.late)},
          {"subscribers_cut", load.subscribers_cut},
          {"lost_bytes", load.lost_bytes},
          {"wrong_bytes", load.wrong_bytes}};
}

// Every number of the rounds as median, min and max.
json summary_of(const std::vector<json>& rounds) {
  json summary;
  for (const auto& [key, first] : rounds.front().items()) {
    std::vector<double> values;
    for (const json& round : rounds) values.push_back(round[key].get<double>());
    const Spread spread = spread_of(std::move(values));
    summary[key] = {{"median", spread.median}, {"min", spread.min}, {"max", spread.max}};
  }
  return summary;
}

std::string median_and_range(const json& spread, const char* format = "{:.1f}") {
  const auto number = [&](const char* key) {
    return fmt::format(fmt::runtime(format), spread[key].get<double>());
  };
  return fmt::format("{} ({}..{})", number("median"), number("min"), number("max"));
}

std::string format_table(const std::vector<Variant>& variants, const json& document) {
  Table table({"server", "readers", "chunks/s", "MB/s", "CPU us/chunk", "x", "generator us", "p50 ms",
               "p99 ms", "max ms", "KiB waiting", "KiB running", "lost B", "wrong B"});
  for (size_t i = 0; i < variants.size(); ++i) {
    const json& entry = document["servers"][i];
    const json& s = entry["summary"];
    const auto median = [&s](const char* key) { return s[key]["median"].get<double>(); };
    table.add({variants[i].label, std::to_string(variants[i].load.subscribers),
               fmt::format("{:.0f}", median("deliveries_per_s")),
               fmt::format("{:.0f}", median("bytes_per_s") / 1e6),
               median_and_range(s["server_cpu_us_per_delivery"], "{:.2f}"),
               entry.contains("cpu_ratio") ? fmt::format("{:.2f}", entry["cpu_ratio"].get<double>()) : "",
               fmt::format("{:.2f}", median("generator_cpu_us_per_delivery")),
               fmt::format("{:.2f}", median("delay_p50_ms")), median_and_range(s["delay_p99_ms"]),
               fmt::format("{:.1f}", median("delay_max_ms")),
               fmt::format("{:.1f}", median("rss_waiting_kib_per_reader")),
               fmt::format("{:.1f}", median("rss_running_kib_per_reader")),
               fmt::format("{:.0f}", s["lost_bytes"]["max"].get<double>()),
               fmt::format("{:.0f}", s["wrong_bytes"]["max"].get<double>())});
  }
  return table.to_string();
}

ServerUnderTest own_relay(const RelayBenchOptions& options) {
  ServerUnderTest own{.label = "trickle-relay", .server = {}};
  own.command = {program_beside("trickle-relay"), "--listen", "127.0.0.1:0", "--log-level", "warning"};
  own.command.insert(own.command.end(), options.relay_arguments.begin(), options.relay_arguments.end());
  return own;
}

std::vector<ServerUnderTest> targets_of(const RelayBenchOptions& options) {
  std::vector<ServerUnderTest> targets;
  for (const auto& server : options.servers) {
    targets.push_back(server == "own" ? own_relay(options)
                                      : ServerUnderTest{.label = server, .server = server});
  }
  if (targets.empty()) targets.push_back(own_relay(options));
  if (options.bare) {
    targets.push_back({.label = "bare loop",
                       .server = {},
                       .command = {program_beside("trickle-bench"), "bare", "--log-level", "warning"}});
  }
  return targets;
}

std::vector<Variant> variants_of(const std::vector<ServerUnderTest>& targets,
                                 const RelayBenchOptions& options) {
  std::vector<Variant> variants;
  for (const auto& target : targets) {
    variants.push_back({target.label, &target, options.load});
    if (options.stalled_percent <= 0) continue;
    LoadOptions stalled = options.load;
    stalled.stalled = std::max<size_t>(
        1, static_cast<size_t>(static_cast<double>(stalled.subscribers) * options.stalled_percent / 100));
    variants.push_back({fmt::format("{}, {} stalled", target.label, stalled.stalled), &target, stalled});
  }
  return variants;
}

json parameters(const LoadOptions& load) {
  return {{"publishers", load.publishers},
          {"subscribers", load.subscribers},
          {"chunk_bytes", load.chunk_bytes},
          {"rate_hz", load.rate_hz},
          {"chunks_per_segment", load.chunks_per_segment},
          {"preconnect", load.preconnect},
          {"duration_s", static_cast<double>(load.duration.count()) / 1e3}};
}

Result<json> run_rounds(const std::vector<Variant>& variants, const RelayBenchOptions& options,
                        const StopToken& stop) {
  std::vector<std::vector<json>> rounds(variants.size());
  for (size_t round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < variants.size(); ++i) {
      TRICKLE_TRY_ASSIGN(const Sample sample, measure(variants[i], options, stop));
      rounds[i].push_back(to_json(sample));
      log::info("round {} of {}, {}: {:.2f} us a chunk, p99 {:.1f} ms", round + 1, options.rounds,
                variants[i].label, each(sample.server_cpu, sample),
                milliseconds(sample.load.delays.at(0.99)));
    }
  }
  json servers = json::array();
  for (size_t i = 0; i < variants.size(); ++i) {
    json entry{{"server", variants[i].label}, {"stalled", variants[i].load.stalled}};
    entry["rounds"] = rounds[i];
    entry["summary"] = summary_of(rounds[i]);
    // Ratios within a round, against the last variant: the bare loop where it takes part.
    if (variants.size() > 1 && i + 1 < variants.size()) {
      std::vector<double> ratios;
      for (size_t round = 0; round < options.rounds; ++round) {
        const double limit = rounds.back()[round]["server_cpu_us_per_delivery"].get<double>();
        if (limit > 0) ratios.push_back(rounds[i][round]["server_cpu_us_per_delivery"].get<double>() / limit);
      }
      entry["cpu_ratio"] = spread_of(std::move(ratios)).median;
    }
    servers.push_back(std::move(entry));
  }
  return servers;
}

bool keeps_up(const Sample& sample, double max_delay_ms) {
  return sample.load.lost_bytes == 0 && sample.load.subscribers_cut == 0 &&
         milliseconds(sample.load.delays.at(0.99)) <= max_delay_ms;
}

// The most subscribers that lose nothing and wait no longer than allowed, to 250.
Result<size_t> search_capacity(Variant variant, const RelayBenchOptions& options, const StopToken& stop) {
  constexpr size_t kStep = 250;
  size_t low = 0, high = options.max_subscribers / kStep + 1;  // In steps: `low` is well, `high` is not.
  size_t next = std::max<size_t>(1, options.load.subscribers / kStep);
  while (low + 1 < high) {
    variant.load.subscribers = next * kStep;
    TRICKLE_TRY_ASSIGN(const Sample sample, measure(variant, options, stop));
    const bool well = keeps_up(sample, options.max_delay_ms);
    log::info("{}: {} subscribers: p50 {:.1f} ms, p99 {:.1f} ms, {} bytes lost: {}", variant.label,
              variant.load.subscribers, milliseconds(sample.load.delays.at(0.5)),
              milliseconds(sample.load.delays.at(0.99)), sample.load.lost_bytes, well ? "well" : "too many");
    (well ? low : high) = next;
    next = (low + high) / 2;
  }
  return low * kStep;
}

Result<json> run_capacity(const std::vector<Variant>& variants, const RelayBenchOptions& options,
                          const StopToken& stop) {
  std::vector<std::vector<double>> found(variants.size());
  for (size_t round = 0; round < options.rounds; ++round) {
    for (size_t i = 0; i < variants.size(); ++i) {
      TRICKLE_TRY_ASSIGN(const size_t most, search_capacity(variants[i], options, stop));
      found[i].push_back(static_cast<double>(most));
    }
  }
  json servers = json::array();
  for (size_t i = 0; i < variants.size(); ++i) {
    const Spread spread = spread_of(found[i]);
    servers.push_back(
        {{"server", variants[i].label},
         {"subscribers", {{"median", spread.median}, {"min", spread.min}, {"max", spread.max}}}});
  }
  return servers;
}

std::string format_capacity(const json& document) {
  Table table({"server", "subscribers (min..max)", "of the last"});
  const json& servers = document["servers"];
  const double last = servers.back()["subscribers"]["median"].get<double>();
  for (const json& entry : servers) {
    const json& found = entry["subscribers"];
    const double ratio = last > 0 ? found["median"].get<double>() / last : 0;
    table.add({entry["server"].get<std::string>(), median_and_range(found, "{:.0f}"),
               fmt::format("{:.2f}", ratio)});
  }
  return table.to_string();
}

Result<void> check_bytes(const json& document) {
  for (const json& entry : document["servers"]) {
    if (!entry.contains("summary")) continue;
    const double wrong = entry["summary"]["wrong_bytes"]["max"].get<double>();
    if (wrong > 0) {
      return unexpected(ErrorKind::kBadData, fmt::format("{}: {} bytes were not those published",
                                                         entry["server"].get<std::string>(), wrong));
    }
    const double lost = entry["summary"]["lost_bytes"]["max"].get<double>();
    if (lost > 0) log::warning("{}: {} bytes were lost", entry["server"].get<std::string>(), lost);
  }
  return {};
}

}  // namespace

Result<void> run_relay_bench(const RelayBenchOptions& options, const StopToken& stop) {
  const size_t descriptors = raise_descriptor_limit();
  const size_t most = std::max(options.load.subscribers, options.capacity ? options.max_subscribers : 0);
  if (2 * (most + options.load.publishers) + 64 > descriptors) {
    return unexpected(ErrorKind::kUsage,
                      fmt::format("{} subscribers need {} descriptors, and the limit is {}", most,
                                  2 * most + 64, descriptors));
  }
  TRICKLE_TRY(pin(::getpid(), options.generator_cores));
  const auto targets = targets_of(options);
  const auto variants = variants_of(targets, options);
  json document{{"bench", "relay"}, {"machine", machine()}, {"parameters", parameters(options.load)}};
  TRICKLE_TRY_ASSIGN(document["servers"], options.capacity ? run_capacity(variants, options, stop)
                                                           : run_rounds(variants, options, stop));
  TRICKLE_TRY(print(machine_line() + "\n" +
                    (options.capacity ? format_capacity(document) : format_table(variants, document))));
  TRICKLE_TRY(write_json(options.json, document));
  return check_bytes(document);
}

}  // namespace trickle::bench
