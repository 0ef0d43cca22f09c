// Completions for shells, made from the options themselves, so that they can't go stale.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace trickle::cli {

/// The completion script of `app`, which is named `program`. \param shell bash, zsh or fish.
/// \return nothing for any other shell.
[[nodiscard]] std::string completion_script(const CLI::App& app, const std::string& program,
                                            const std::string& shell);

}  // namespace trickle::cli
