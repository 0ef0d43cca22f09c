// What a completion script has to know of a program, read from its CLI11 options; of no shell in particular.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace trickle::cli {

enum class Takes { kNothing, kText, kFile, kFolder };

struct CompletedOption {
  std::vector<std::string> names;  ///< With their dashes; a positional has none.
  std::string text;
  Takes takes = Takes::kNothing;
  bool value_is_optional = false;
  bool is_repeatable = false;
  std::vector<std::string> choices;
};

/// A program, or one of its subcommands.
struct CompletionPage {
  std::string name;
  std::string text;
  std::vector<CompletedOption> options;
  CompletedOption positional;  ///< What stands without a dash; takes kNothing if nothing can be said of it.
  std::vector<CompletionPage> commands;
};

/// Hidden options and commands are left out.
[[nodiscard]] CompletionPage completion_page(const CLI::App& app);

}  // namespace trickle::cli
