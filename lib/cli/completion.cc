#include "cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace trickle::cli {
namespace {

enum class Takes { kNothing, kText, kFile, kFolder };

struct Described {
  std::vector<std::string> names;  // With their dashes.
  std::string text;
  Takes takes = Takes::kNothing;
  bool value_is_optional = false;
  std::vector<std::string> choices;
};

// "block|drop|fail" as the name of a value, or CLI11's "{a,b}" of IsMember, says what may be written there.
std::vector<std::string> choices_of(const CLI::Option& option) {
  std::string type = option.get_type_name();
  char separator = '|';
  if (const size_t open = type.find('{'); open != std::string::npos && type.back() == '}') {
    type = type.substr(open + 1, type.size() - open - 2);
    separator = ',';
  }
  if (type.find(separator) == std::string::npos) return {};
  std::vector<std::string> choices = CLI::detail::split(type, separator);
  std::erase_if(choices, [](const std::string& word) {
    return word.empty() || !std::ranges::all_of(word, [](unsigned char c) { return std::islower(c) != 0; });
  });
  return choices;
}

Described describe(const CLI::Option& option) {
  Described result;
  for (const std::string& name : option.get_lnames()) result.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) result.names.push_back("-" + name);
  result.text = option.get_description();
  if (option.get_type_size() == 0) return result;
  const std::string type = option.get_type_name();
  result.takes = type.starts_with("FILE") || type == "SOCKET" ? Takes::kFile
                 : type.starts_with("DIR")                    ? Takes::kFolder
                                                              : Takes::kText;
  result.value_is_optional = option.get_items_expected_min() == 0;
  result.choices = choices_of(option);
  return result;
}

std::vector<Described> describe_all(const CLI::App& app) {
  std::vector<Described> all;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() || option->get_group().empty()) continue;
    all.push_back(describe(*option));
  }
  return all;
}

std::string quoted(std::string_view text, std::string_view special) {
  std::string result;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) result += '\\';
    result += c;
  }
  return result;
}

std::string bash_script(const std::vector<Described>& options, const std::string& program) {
  std::vector<std::string> names;
  std::string cases;
  for (const Described& option : options) {
    names.insert(names.end(), option.names.begin(), option.names.end());
    if (option.takes == Takes::kNothing) continue;
    std::string reply = "COMPREPLY=()";
    if (!option.choices.empty()) {
      reply = fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$cur\"))", fmt::join(option.choices, " "));
    } else if (option.takes == Takes::kFile) {
      reply = "COMPREPLY=($(compgen -f -- \"$cur\"))";
    } else if (option.takes == Takes::kFolder) {
      reply = "COMPREPLY=($(compgen -d -- \"$cur\"))";
    }
    if (!option.value_is_optional) {
      cases +=
          fmt::format("    {})\n      {}\n      return\n      ;;\n", fmt::join(option.names, " | "), reply);
    }
  }
  std::string function = program;
  std::ranges::replace(function, '-', '_');
  return fmt::format(R"(# Completion of {0} for bash; printed by {0} --completion bash.
_{1}() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}}
  compopt -o filenames
  case $prev in
{2}  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W '{3}' -- "$cur"))
  else
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}}
complete -F _{1} {0}
)",
                     program, function, cases, fmt::join(names, " "));
}

std::string zsh_value(const Described& option) {
  if (option.takes == Takes::kNothing) return "";
  const std::string colon = option.value_is_optional ? "::" : ":";
  if (!option.choices.empty()) return fmt::format("{}value:({})", colon, fmt::join(option.choices, " "));
  if (option.takes == Takes::kFile) return colon + "file:_files";
  if (option.takes == Takes::kFolder) return colon + "folder:_files -/";
  return colon + "value: ";
}

std::string zsh_script(const std::vector<Described>& options, const std::string& program) {
  std::string lines;
  for (const Described& option : options) {
    std::string text = quoted(option.text, "[]:\\");
    size_t at = 0;
    while ((at = text.find('\'', at)) != std::string::npos) {
      text.replace(at, 1, "'\\''");
      at += 4;
    }
    for (const std::string& name : option.names) {
      lines += fmt::format("  '{}[{}]{}' \\\n", name, text, zsh_value(option));
    }
  }
  return fmt::format(
      "#compdef {0}\n# Completion of {0} for zsh; printed by {0} --completion zsh.\n_arguments \\\n{1}  "
      "'*:file:_files'\n",
      program, lines);
}

std::string fish_script(const std::vector<Described>& options, const std::string& program) {
  std::string script =
      fmt::format("# Completion of {0} for fish; printed by {0} --completion fish.\n", program);
  for (const Described& option : options) {
    script += "complete -c " + program;
    for (const std::string& name : option.names) {
      script += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    if (option.takes != Takes::kNothing && !option.value_is_optional) {
      script += option.takes == Takes::kText ? " -x" : " -r";
    }
    if (!option.choices.empty()) script += fmt::format(" -a '{}'", fmt::join(option.choices, " "));
    script += fmt::format(" -d '{}'\n", quoted(option.text, "'\\"));
  }
  return script;
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& program, const std::string& shell) {
  const std::vector<Described> options = describe_all(app);
  if (shell == "bash") return bash_script(options, program);
  if (shell == "zsh") return zsh_script(options, program);
  if (shell == "fish") return fish_script(options, program);
  return "";
}

}  // namespace trickle::cli
