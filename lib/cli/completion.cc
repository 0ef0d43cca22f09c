#include "cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>

#include "cli/completion_page.h"

namespace trickle::cli {
namespace {

std::string escaped(std::string_view text, std::string_view special) {
  std::string result;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

// For text between two ', in bash and zsh.
std::string in_quotes(std::string_view text) {
  std::string result;
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result;
}

std::vector<std::string> names_of(const std::vector<CompletionPage>& commands) {
  std::vector<std::string> names;
  for (const CompletionPage& command : commands) names.push_back(command.name);
  return names;
}

// --- bash: one function for each page, which looks at the variables of the one that calls it.

std::string bash_function_name(const std::string& program, const std::string& command) {
  std::string name = "_" + program + (command.empty() ? "" : "__" + command);
  std::ranges::replace(name, '-', '_');
  return name;
}

std::string bash_reply(const CompletedOption& option) {
  if (!option.choices.empty()) {
    return fmt::format("mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$cur\")",
                       fmt::join(option.choices, " "));
  }
  if (option.takes != Takes::kFile && option.takes != Takes::kFolder) return "COMPREPLY=()";
  return fmt::format("compopt -o filenames; mapfile -t COMPREPLY < <(compgen -{} -- \"$cur\")",
                     option.takes == Takes::kFile ? "f" : "d");
}

std::string bash_body(const CompletionPage& page) {
  std::vector<std::string> names;
  std::string cases;
  for (const CompletedOption& option : page.options) {
    names.insert(names.end(), option.names.begin(), option.names.end());
    if (option.takes == Takes::kNothing || option.value_is_optional) continue;
    cases += fmt::format("    {}) {}; return ;;\n", fmt::join(option.names, " | "), bash_reply(option));
  }
  CompletedOption bare = page.positional;
  if (!page.commands.empty()) bare.choices = names_of(page.commands);
  const std::string by_name = cases.empty() ? "" : fmt::format("  case $prev in\n{}  esac\n", cases);
  return fmt::format(R"({0}  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W '{1}' -- "$cur")
  else
    {2}
  fi
)",
                     by_name, fmt::join(names, " "), bash_reply(bare));
}

std::string bash_script(const CompletionPage& page, const std::string& program) {
  std::string functions, dispatch;
  for (const CompletionPage& command : page.commands) {
    const std::string function = bash_function_name(program, command.name);
    functions += fmt::format("{}() {{\n{}}}\n", function, bash_body(command));
    dispatch += fmt::format("      {}) {}; return ;;\n", command.name, function);
  }
  if (!dispatch.empty()) {
    dispatch = fmt::format(R"(  local word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case $word in
{}    esac
  done
)",
                           dispatch);
  }
  // Bash makes three words of --name=value.
  return fmt::format(R"(# Completion of {0} for bash; printed by {0} --completion bash.
{3}{1}() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
  if [[ $cur == = ]]; then
    cur=''
  elif [[ $prev == = ]]; then
    prev=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
{4}{2}}}
complete -F {1} {0}
)",
                     program, bash_function_name(program, ""), bash_body(page), functions, dispatch);
}

// --- zsh: what _arguments takes.

std::string zsh_action(const CompletedOption& option) {
  if (!option.choices.empty()) return fmt::format("({})", fmt::join(option.choices, " "));
  if (option.takes == Takes::kFile) return "_files";
  return option.takes == Takes::kFolder ? "_files -/" : " ";
}

std::string zsh_option(const CompletedOption& option) {
  const std::string text = in_quotes(escaped(option.text, "[]:\\"));
  std::string lines;
  for (const std::string& name : option.names) {
    std::string value, sign;
    if (option.takes != Takes::kNothing) {
      value = fmt::format("{}value:{}", option.value_is_optional ? "::" : ":", zsh_action(option));
      if (name.starts_with("--")) sign = option.value_is_optional ? "=-" : "=";
    }
    lines += fmt::format(" \\\n  '{}{}{}[{}]{}'", option.is_repeatable ? "*" : "", name, sign, text, value);
  }
  return lines;
}

std::string zsh_arguments(const CompletionPage& page) {
  std::string lines = "_arguments -C";
  for (const CompletedOption& option : page.options) lines += zsh_option(option);
  if (!page.commands.empty()) {
    std::string commands;
    for (const CompletionPage& command : page.commands) {
      commands += fmt::format(" {}\\:\"{}\"", command.name, in_quotes(escaped(command.text, "\":\\()$`")));
    }
    lines += fmt::format(" \\\n  '1:command:(({} ))' \\\n  '*::argument:->argument'", commands);
  } else if (page.positional.takes != Takes::kNothing) {
    lines += fmt::format(" \\\n  '*:argument:{}'", zsh_action(page.positional));
  }
  return lines + "\n";
}

std::string zsh_script(const CompletionPage& page, const std::string& program) {
  std::string script = fmt::format(
      "#compdef {0}\n# Completion of {0} for zsh; printed by {0} --completion zsh.\nlocal state line "
      "context\ntypeset -A opt_args\n{1}",
      program, zsh_arguments(page));
  if (page.commands.empty()) return script;
  script += "[[ $state == argument ]] || return\ncase $words[1] in\n";
  for (const CompletionPage& command : page.commands)
    script += fmt::format("{})\n{};;\n", command.name, zsh_arguments(command));
  return script + "esac\n";
}

// --- fish: one `complete` a line; `when` is the condition under which it holds.

std::string fish_quoted(std::string_view text) { return "'" + escaped(text, "'\\") + "'"; }

std::string fish_value(const CompletedOption& option) {
  if (option.takes == Takes::kNothing || option.value_is_optional) return "";
  if (!option.choices.empty()) return fmt::format(" -x -a '{}'", fmt::join(option.choices, " "));
  if (option.takes == Takes::kFile) return " -r -F";
  return option.takes == Takes::kFolder ? " -x -a '(__fish_complete_directories)'" : " -x";
}

std::string fish_page(const CompletionPage& page, const std::string& program, const std::string& when) {
  const std::string begin = "complete -c " + program + (when.empty() ? "" : " -n '" + when + "'");
  std::string script;
  if (page.positional.takes == Takes::kFile) {
    script += begin + " -F\n";
  } else if (!page.positional.choices.empty()) {
    script += fmt::format("{} -a '{}'\n", begin, fmt::join(page.positional.choices, " "));
  }
  for (const CompletedOption& option : page.options) {
    script += begin;
    for (const std::string& name : option.names) {
      script += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    script += fmt::format("{} -d {}\n", fish_value(option), fish_quoted(option.text));
  }
  return script;
}

std::string fish_script(const CompletionPage& page, const std::string& program) {
  std::string script = fmt::format(
      "# Completion of {0} for fish; printed by {0} --completion fish.\ncomplete -c {0} -f\n", program);
  if (page.commands.empty()) return script + fish_page(page, program, "");
  script += fish_page(page, program, "__fish_use_subcommand");
  for (const CompletionPage& command : page.commands) {
    script += fmt::format("complete -c {} -n __fish_use_subcommand -a {} -d {}\n", program, command.name,
                          fish_quoted(command.text));
    script += fish_page(command, program, "__fish_seen_subcommand_from " + command.name);
  }
  return script;
}

}  // namespace

void suggest(CLI::Option* option, const std::vector<std::string>& words) {
  option->check(CLI::Validator([](std::string&) { return std::string(); },
                               fmt::format("{{{}}}", fmt::join(words, ","))));
}

std::string completion_script(const CLI::App& app, const std::string& program, const std::string& shell) {
  const CompletionPage page = completion_page(app);
  if (shell == "bash") return bash_script(page, program);
  if (shell == "zsh") return zsh_script(page, program);
  if (shell == "fish") return fish_script(page, program);
  return "";
}

}  // namespace trickle::cli
