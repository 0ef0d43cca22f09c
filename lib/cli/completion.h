// Completions for shells, made from the options themselves, so that they can't go stale.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace trickle::cli {

/// Lets completions offer `words` where `option` takes a value; other values stay as good as they were. Not
/// needed where CLI::IsMember or the name of the value ("block|drop") tells what there is.
void suggest(CLI::Option* option, const std::vector<std::string>& words);

/// The completion script of `app`, which is named `program`, with its subcommands. Files are completed where
/// the name of a value begins with FILE, folders where it begins with DIR.
/// \param shell bash, zsh or fish. \return nothing for any other shell.
[[nodiscard]] std::string completion_script(const CLI::App& app, const std::string& program,
                                            const std::string& shell);

}  // namespace trickle::cli
