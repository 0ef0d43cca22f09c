#include "cli/tool.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstdio>
#include <exception>
#include <memory>

#include "base/log.h"
#include "cli/completion.h"
#include "cli/exit_code.h"
#include "cli/stats_reporter.h"
#include "trickle/version.h"

namespace trickle::cli {
namespace {

constexpr int kContinue = -1;

constexpr const char* kSharedGroup = "Shared options";

// CLI11's page, without the automatic environment names (the footer states the rule), without what validators
// add to the names of values, and with the options that all tools share behind those of the tool. Its parts
// are put together here because CLI11's releases differ in the empty lines between them.
class HelpFormatter final : public CLI::Formatter {
 public:
  HelpFormatter() { column_width(34); }

  std::string make_help(const CLI::App* app, std::string name, CLI::AppFormatMode mode) const override {
    std::string page = make_description(app) + make_usage(app, std::move(name)) + make_positionals(app) +
                       make_groups(app, mode) + make_subcommands(app, mode);
    if (!app->get_footer().empty()) page += "\n" + app->get_footer() + "\n";
    return page;
  }

  std::string make_option_opts(const CLI::Option* option) const override {
    if (option->get_type_size() == 0) return "";
    std::string text;
    if (const std::string name = value_name(option->get_type_name()); !name.empty()) text += " " + name;
    if (!option->get_default_str().empty()) text += " [" + option->get_default_str() + "]";
    return text;
  }

 private:
  static std::string value_name(const std::string& type) {
    for (const char* validator : {":{", ":FLOAT in", ":INT in", ":UINT in"}) {
      if (const size_t at = type.find(validator); at != std::string::npos) return type.substr(0, at);
    }
    return type;
  }
};

std::string upper_snake(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return c == '-' ? '_' : static_cast<char>(std::toupper(c)); });
  return text;
}

// A tool that is started with one of its three standard descriptors closed would get that number for a
// connection, and write its media or its log into it. What stands in for it fails every read and every write,
// but lets the log go nowhere.
void fill_standard_descriptors() {
  constexpr int kModes[] = {O_WRONLY, O_RDONLY, O_WRONLY};
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    // The lowest free number is the one that is missing, and stays open until the process ends.
    if (::fcntl(fd, F_GETFD) < 0) (void)::open("/dev/null", kModes[fd]);
  }
}

// SIGUSR1: more, SIGUSR2: less. In a tool that never asks the log for anything the signals do no harm.
void change_level_on_signals() {
  struct sigaction action {};
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  action.sa_handler = [](int signal) { log::change_level(signal == SIGUSR1 ? 1 : -1); };
  ::sigaction(SIGUSR1, &action, nullptr);
  ::sigaction(SIGUSR2, &action, nullptr);
}

}  // namespace

Tool::Tool(std::string name, std::string summary) : name_(std::move(name)), app_(std::move(summary), name_) {
  app_.formatter(std::make_shared<HelpFormatter>());
  app_.option_defaults()->always_capture_default();
  app_.set_help_flag();  // Comes with the other shared options, behind those of the tool.
  app_.get_formatter()->label("OPTIONS", "OPTIONS");
  add_completion();
}

// Hidden, because packages install what it prints; first of all, because CLI11 ends --help with an empty line
// for a hidden group that is the last.
void Tool::add_completion() {
  app_.add_option_function<std::string>(
          "--completion",
          [this](const std::string& shell) {
            const std::string script = completion_script(app_, name_, shell);
            if (script.empty()) throw CLI::ValidationError("--completion", "bash, zsh or fish");
            std::fputs(script.c_str(), stdout);
            throw CLI::Success();
          },
          "Print a completion script for bash, zsh or fish and exit")
      ->trigger_on_parse()
      ->configurable(false)
      ->group("");
}

void Tool::add_shared_options() {
  const std::string group = kSharedGroup;
  app_.set_config("--config", "", "Read options from this TOML file")->group(group)->type_name("FILE");
  app_.add_option("--log-level", shared_.log_level, "error, warning, info, debug, trace or off")
      ->envname("TRICKLE_LOG_LEVEL")
      ->type_name("LEVEL")
      ->group(group);
  suggest(app_.get_option("--log-level"), {"error", "warning", "info", "debug", "trace", "off"});
  app_.add_option("--log-format", shared_.log_format, "text or json")
      ->envname("TRICKLE_LOG_FORMAT")
      ->check(CLI::IsMember({"text", "json"}))
      ->type_name("FORMAT")
      ->group(group);
  app_.add_option("--stats", shared_.stats, "Write a JSON object of statistics each second")
      ->type_name("FILE|fd:N")
      ->group(group);
  app_.add_flag("--progress", shared_.progress, "Show the status line even if stderr is no terminal")
      ->group(group);
  app_.add_flag("--no-progress", shared_.no_progress, "Never show the status line")->group(group);
  app_.set_help_flag("-h,--help", "Print this help and exit")->group(group);
  app_.set_version_flag("--version", fmt::format("{} {}", name_, version()), "Print the version and exit")
      ->group(group);
}

void Tool::name_environment_variables(CLI::App& app, const std::string& prefix) {
  for (CLI::Option* option : app.get_options()) {
    const auto& names = option->get_lnames();
    if (names.empty() || !option->get_envname().empty() || !option->get_configurable()) continue;
    option->envname(prefix + upper_snake(names.front()));
  }
  for (CLI::App* command : app.get_subcommands({})) name_environment_variables(*command, prefix);
}

void Tool::name_environment_variables() {
  const std::string prefix = upper_snake(name_) + "_";
  name_environment_variables(app_, prefix);
  std::string footer = app_.get_footer();
  if (!footer.empty()) footer += "\n\n";
  app_.footer(footer +
              fmt::format("Every option --x-y can also be set by the variable {}X_Y or the key x-y of\n"
                          "the --config file. Manual: {}(1).\n\n{}",
                          prefix, name_, exit_code_help()));
}

int Tool::parse(int argc, char** argv) {
  add_shared_options();
  name_environment_variables();
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& request) {
    app_.exit(request);  // --help or --version: CLI11 prints them.
    return std::fflush(stdout) == 0 ? kExitDone : kExitFailure;
  } catch (const CLI::ParseError& error) {
    std::string sentence = error.what();
    std::replace(sentence.begin(), sentence.end(), '\n', ' ');
    log::error("{} (see {} --help)", sentence, name_);
    return kExitUsage;
  }
  if (auto configured = log::configure(
          name_, shared_.log_level, shared_.log_format == "json" ? log::Format::kJson : log::Format::kText);
      !configured) {
    log::error("{}", configured.error().to_string());
    return kExitUsage;
  }
  return kContinue;
}

int Tool::run_parsed(const std::function<Result<void>(Context&)>& body) {
  Counters counters;
  Context context{counters, stop_on_signals()};
  change_level_on_signals();
  auto reporter = StatsReporter::start(
      {.tool = name_,
       .destination = shared_.stats,
       .status_line = !shared_.no_progress && (shared_.progress || ::isatty(STDERR_FILENO) == 1)},
      counters);
  if (!reporter) {
    log::error("{}", reporter.error().to_string());
    return exit_code_for(reporter.error().kind());
  }

  const Result<void> result = body(context);
  if (!result && result.error().kind() != ErrorKind::kCancelled &&
      result.error().kind() != ErrorKind::kClosed) {
    counters.set_last_error(result.error().to_string());
  }
  (*reporter)->finish();
  if (result) return kExitDone;
  if (result.error().kind() == ErrorKind::kClosed || result.error().kind() == ErrorKind::kCancelled) {
    log::info("{}", result.error().to_string());
  } else {
    log::error("{}", result.error().to_string());
  }
  return exit_code_for(result.error().kind());
}

int Tool::run(int argc, char** argv, const std::function<Result<void>(Context&)>& body) {
  try {
    fill_standard_descriptors();
    if (auto configured = log::configure(name_, "info", log::Format::kText); !configured) return kExitFailure;
    const int parsed = parse(argc, argv);
    return parsed == kContinue ? run_parsed(body) : parsed;
  } catch (const std::exception& exception) {
    log::error("internal failure: {}", exception.what());
  }
  return kExitFailure;
}

Result<void> refuse_terminal(int fd) {
  if (::isatty(fd) == 0) return {};
  return unexpected(ErrorKind::kUsage,
                    "standard output is a terminal and the output is binary: redirect it or pipe it on");
}

}  // namespace trickle::cli
