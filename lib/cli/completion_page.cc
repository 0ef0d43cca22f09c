#include "cli/completion_page.h"

#include <algorithm>
#include <cctype>

namespace trickle::cli {
namespace {

// "block|drop|fail" as the name of a value, or the "{a,b}" that IsMember and suggest() add to it, says what
// may be written there. Other words are names of what is meant: "next|N", "FILE".
std::vector<std::string> choices_of(const CLI::Option& option) {
  std::string type = option.get_type_name();
  char separator = '|';
  if (const size_t open = type.rfind('{'); open != std::string::npos && type.back() == '}') {
    type = type.substr(open + 1, type.size() - open - 2);
    separator = ',';
  } else if (type.find(separator) == std::string::npos) {
    return {};
  }
  std::vector<std::string> choices = CLI::detail::split(type, separator);
  std::erase_if(choices, [](const std::string& word) {
    return word.empty() || !std::ranges::all_of(word, [](unsigned char c) {
             return std::islower(c) != 0 || std::isdigit(c) != 0 || c == '_' || c == '-' || c == '/';
           });
  });
  return choices;
}

CompletedOption describe(const CLI::Option& option) {
  CompletedOption result;
  for (const std::string& name : option.get_lnames()) result.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) result.names.push_back("-" + name);
  result.text = option.get_description();
  if (option.get_type_size() == 0) return result;
  const std::string type = option.get_type_name();
  result.takes = type.starts_with("FILE") || type.ends_with("SOCKET") ? Takes::kFile
                 : type.starts_with("DIR")                            ? Takes::kFolder
                                                                      : Takes::kText;
  result.value_is_optional = option.get_items_expected_min() == 0;
  result.is_repeatable = option.get_items_expected_max() > 1;
  result.choices = choices_of(option);
  return result;
}

}  // namespace

CompletionPage completion_page(const CLI::App& app) {
  CompletionPage page{app.get_name(), app.get_description(), {}, {}, {}};
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) {
      page.positional = describe(*option);
    } else if (!option->get_group().empty()) {
      page.options.push_back(describe(*option));
    }
  }
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!command->get_group().empty()) page.commands.push_back(completion_page(*command));
  }
  return page;
}

}  // namespace trickle::cli
