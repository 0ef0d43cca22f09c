# Completions in the real shells: every option that --help shows and no other, values, effects, subcommands, files.

load helpers

setup() {
  common_setup
  TOOLS=(trickle-bench trickle-decode trickle-encode trickle-fx trickle-pub trickle-relay trickle-serve trickle-sub)
}
teardown() { common_teardown; }

# options_of PROGRAM [COMMAND]: the long options that its --help shows.
options_of() { "$@" --help | grep -oE '^  (-[a-z],)?--[a-z-]+' | grep -oE -- '--[a-z-]+' | LC_ALL=C sort; }

# scripts SHELL PREFIX: the script of each program, in PREFIX followed by its name.
scripts() {
  local tool
  for tool in "${TOOLS[@]}"; do "$tool" --completion "$1" >"$2$tool"; done
}

# bash_offers WORD…: what bash's function offers for the last of these words.
bash_offers() {
  bash -c 'source "script.$1"
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    compopt() { :; }
    "_${1//-/_}" && printf "%s\n" "${COMPREPLY[@]}"' - "$@"
}

@test "bash completes every option that --help shows, and no other" {
  scripts bash script.
  local tool command
  for tool in "${TOOLS[@]}"; do diff <(options_of "$tool") <(bash_offers "$tool" -- | LC_ALL=C sort); done
  for command in relay chain serve; do
    diff <(options_of trickle-bench $command) <(bash_offers trickle-bench $command -- | LC_ALL=C sort)
  done
}

@test "bash completes values, effects, subcommands and files, typed on a terminal" {
  scripts bash script.
  touch clip-one.ts clip-two.ts
  mkdir folder-one folder-two
  printf '%s\n' "bind 'set show-all-if-ambiguous on'" "bind 'set completion-query-items 0'" \
    "bind 'set page-completions off'" "bind 'set enable-bracketed-paste off'" 'for script in script.*; do . ./$script; done' >setup.bash
  python3 "$BATS_TEST_DIRNAME/type_tab.py" bash '. ./setup.bash' \
    'trickle-sub --' --start --idle-timeout --on-gap :: 'trickle-sub --on-gap ' latest oldest :: \
    'trickle-sub --on-gap=' latest oldest :: 'trickle-sub --dir f' folder-one folder-two :: \
    'trickle-fx ' red_tint color_shift torchscript :: 'trickle-fx grayscale --on-lag ' block drop :: \
    'trickle-decode --format ' nut y4m :: 'trickle-decode c' clip-one.ts clip-two.ts :: \
    'trickle-bench ' relay startup :: 'trickle-bench relay --s' --server --subscribers
}

@test "zsh completes options, values, effects, subcommands and files, typed on a terminal" {
  command -v zsh >/dev/null || skip 'zsh is not installed: apt-get install zsh'
  mkdir functions
  scripts zsh functions/_
  for script in functions/_*; do zsh -n "$script"; done
  touch clip-one.ts clip-two.ts
  mkdir folder-one folder-two
  local tool checks=()
  for tool in "${TOOLS[@]}"; do
    mapfile -t -O ${#checks[@]} checks < <(echo "$tool --" && options_of "$tool" && echo ::)
  done
  python3 "$BATS_TEST_DIRNAME/type_tab.py" zsh \
    "setopt nolistambiguous; LISTMAX=10000; fpath=($PWD/functions \$fpath); autoload -Uz compinit; compinit -u -D" "${checks[@]}" \
    'trickle-sub --on-gap ' latest oldest :: 'trickle-sub --on-gap=' latest oldest :: \
    'trickle-sub --dir f' folder-one folder-two :: 'trickle-fx ' red_tint color_shift torchscript :: \
    'trickle-fx grayscale --on-lag ' block drop :: 'trickle-decode --format ' nut y4m :: \
    'trickle-decode c' clip-one.ts clip-two.ts :: 'trickle-bench ' relay startup :: \
    'trickle-bench relay --s' --server --subscribers
}

@test "fish completes every option that --help shows and no other, values, effects, subcommands and files" {
  command -v fish >/dev/null || skip 'fish is not installed: apt-get install fish'
  export HOME=$WORK XDG_CONFIG_HOME=$WORK XDG_DATA_HOME=$WORK
  scripts fish script.
  touch clip-one.ts clip-two.ts
  mkdir folder-one folder-two
  # offers LINE: what fish offers at the end of it, one a line.
  offers() { fish --no-config -c 'for script in script.*; source $script; end; complete -C "$argv[1]"' "$1" | cut -f 1 | LC_ALL=C sort; }
  local tool
  for tool in "${TOOLS[@]}"; do diff <(options_of "$tool") <(offers "$tool --"); done
  diff <(options_of trickle-bench relay) <(offers 'trickle-bench relay --')
  [ "$(offers 'trickle-sub --on-gap ' | paste -sd ' ')" = 'latest oldest' ]
  [ "$(offers 'trickle-sub --dir folder' | paste -sd ' ')" = 'folder-one/ folder-two/' ]
  [ "$(offers 'trickle-fx ' | paste -sd ' ')" = "$(trickle-fx --list --json | jq -r '.effects[].name' | LC_ALL=C sort | paste -sd ' ')" ]
  [ "$(offers 'trickle-decode --format ' | paste -sd ' ')" = 'nut y4m' ]
  [ "$(offers 'trickle-decode c' | paste -sd ' ')" = 'clip-one.ts clip-two.ts' ]
  [ "$(offers 'trickle-bench st')" = startup ]
}
