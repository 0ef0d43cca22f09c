// The frame around every tool: shared options, logging, signals, statistics, one last catch, the exit code.
//
//   int main(int argc, char** argv) {
//     trickle::cli::Tool tool("trickle-sub", "Read a trickle channel to standard output.");
//     Options options;
//     tool.app().add_option("URL", options.url, "Channel to read")->envname("TRICKLE_SUBSCRIBE_URL");
//     return tool.run(argc, argv, [&](trickle::cli::Context& context) { return run(options, context); });
//   }
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "base/counters.h"
#include "io/stop.h"
#include "trickle/result.h"

namespace trickle::cli {

/// What a tool's run function gets.
struct Context {
  Counters& counters;  ///< Shown by --stats and the status line while the tool runs.
  StopToken stop;      ///< Stops on the first SIGINT or SIGTERM.
};

class Tool {
 public:
  /// `name` as in "trickle-sub"; `summary` is one sentence for --help.
  Tool(std::string name, std::string summary);
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;

  /// To add the tool's own options. Every long option --x-y also reads the variable TRICKLE_NAME_X_Y
  /// (TRICKLE_SUB_X_Y for trickle-sub) and the key x-y of the file given by --config (TOML), unless an
  /// environment name was set on it.
  [[nodiscard]] CLI::App& app() { return app_; }

  /// Parses the command line, runs `body` and returns the exit code that fits its result. Prints --help and
  /// --version; says what was wrong in one line on stderr. Call once.
  [[nodiscard]] int run(int argc, char** argv, const std::function<Result<void>(Context&)>& body);

 private:
  struct Shared {
    std::string log_level = "info";
    std::string log_format = "text";
    std::string stats;
    bool progress = false;
    bool no_progress = false;
  };

  void add_completion();
  void add_shared_options();
  void name_environment_variables();
  void name_environment_variables(CLI::App& app, const std::string& prefix);
  int parse(int argc, char** argv);
  int run_parsed(const std::function<Result<void>(Context&)>& body);

  std::string name_;
  CLI::App app_;
  Shared shared_;
};

/// \return kUsage when `fd` is a terminal: media is never written there.
Result<void> refuse_terminal(int fd);

}  // namespace trickle::cli
