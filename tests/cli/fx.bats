#!/usr/bin/env bats
# trickle-fx: its effects, parameters, and what it leaves untouched.

load fx_helpers

@test "--help is what the golden file says" {
  golden trickle-fx.help trickle-fx --help
}

@test "--list is what the golden file says, and --list --json has the same effects" {
  golden trickle-fx.list trickle-fx --list
  trickle-fx --list --json >list.json
  [ "$(jq -r '.effects[].name' list.json)" = "$(trickle-fx --list | awk '/^[a-z]/ {print $1}')" ]
  jq -e '.effects[] | select(.name == "brightness").parameters[0].maximum == 1' list.json
}

@test "the manual page knows every effect and parameter with its range and default" {
  trickle-fx --list --json >list.json
  sed 's/\\-/-/g' "$ROOT/man/trickle-fx.1" >page
  local name range usual
  for name in $(jq -r '.effects[].name' list.json); do grep -q "^\.It Cm .*\<$name\>" page; done
  jq -r '.effects[].parameters[] | "\(.name)\t\(.minimum) to \(.maximum)\t\(.default | tostring | gsub(","; ", "))"' \
    list.json | sed -E 's/\.0($|[^0-9])/\1/g' >parameters
  while IFS=$'\t' read -r name range usual; do
    [ "$range" = 'null to null' ] && range=''
    grep -A 1 -Fx ".It Va $name" page | grep -F -- "$range" | grep -qF -- "${usual:+default $usual}" ||
      { echo "$name: $range, $usual" && return 1; }
  done <parameters
  [ "$(wc -l <parameters)" -ge 6 ]
}

@test "wrong effects and parameters are refused with a sentence and exit code 2" {
  refused() {
    run -2 trickle-fx "${@:2}" </dev/null
    [[ "$output" == *"$1"* ]] || { echo "$output" && return 1; }
  }
  refused 'intensity of red_tint must be a number from -1 to 1, not 7' red_tint:intensity=7
  refused 'intensity of brightness must be a number from 0 to 1, not -0.1' brightness intensity=-0.1
  refused 'color_shift of color_shift must be a list of 3 numbers from -1 to 1' color_shift:color_shift=1,2
  refused 'unknown effect "sparkle": it must be one of none, red_tint,' sparkle
  refused 'invert has no parameter "intensity"' invert:intensity=1
  refused 'has no effect before it' intensity=1
  refused 'which effect?'
  refused '--json goes with --list' --json red_tint
  refused 'no such open descriptor' --control fd:77 red_tint
}

@test "no input is a warning, input that is no media is exit code 6" {
  run -0 --separate-stderr trickle-fx red_tint </dev/null
  [ -z "$output" ]
  # shellcheck disable=SC2154 # run --separate-stderr sets it
  [[ "$stderr" == *"the input is empty"* ]]
  head -c 100000 /dev/urandom >noise
  run -6 trickle-fx red_tint <noise
}

@test "frames in, frames out: every time stamp and every audio packet stays" {
  make_clip in.ts 2
  trickle-decode in.ts >in.nut
  trickle-fx red_tint <in.nut >out.nut
  [ "$(times in.nut v:0 | wc -l)" -eq 60 ]
  diff <(times in.nut v:0) <(times out.nut v:0)
  diff <(times in.nut a:0) <(times out.nut a:0)
  diff <(audio_hashes in.nut) <(audio_hashes out.nut)
}

@test "encoded in, MPEG-TS out: every frame and every audio packet is there, in its time" {
  make_clip in.ts 2
  trickle-fx red_tint <in.ts >out.ts
  [ "$(ffprobe -v error -show_entries format=format_name -of csv=p=0 out.ts)" = mpegts ]
  diff <(times in.ts v:0) <(times out.ts v:0)
  # Sound that shares a PES packet has no time stamp of its own there: readers work it out, and may round it the
  # other way.
  [ "$(times in.ts a:0 | wc -l)" -eq "$(times out.ts a:0 | wc -l)" ]
  paste <(times in.ts a:0) <(times out.ts a:0) |
    awk '{ if (($1 - $2) ^ 2 > 0.00002 ^ 2) { print "off by", $1 - $2, "s at", $1; bad = 1 } } END { exit bad }'
  diff <(audio_hashes in.ts) <(audio_hashes out.ts)
}

@test "--output overrides what was read" {
  make_clip in.ts 1
  trickle-fx --output frames none <in.ts >out.nut
  [ "$(ffprobe -v error -show_entries format=format_name -of csv=p=0 out.nut)" = nut ]
  trickle-fx --output ts none <out.nut >out.ts
  [ "$(ffprobe -v error -show_entries format=format_name -of csv=p=0 out.ts)" = mpegts ]
  [ "$(count_frames out.ts)" -eq 30 ]
}

@test "none leaves frames untouched to the last bit" {
  make_clip in.ts 1
  trickle-decode in.ts >in.nut
  trickle-fx none red_tint:intensity=0 brightness <in.nut >out.nut
  diff <(ffmpeg -v error -i in.nut -map 0 -c copy -f framehash -) <(ffmpeg -v error -i out.nut -map 0 -c copy -f framehash -)
}

@test "each effect makes the colour that its formula says" {
  flat_clip in.ts 1 0x406080
  trickle-decode in.ts >in.nut
  shows() {
    trickle-fx "${@:4}" <in.nut >out.nut
    near "$(colours out.nut | sed -n 5p)" "$1" "$2" "$3"
    trickle-fx -o qp=4 "${@:4}" <in.ts >out.ts
    near "$(colours out.ts | sed -n 5p)" "$1" "$2" "$3"
  }
  shows 64 96 128 none
  shows 141 96 128 red_tint:intensity=0.3
  shows 64 45 128 green_tint:intensity=-0.2
  shows 64 96 255 blue_tint
  shows 90 90 90 grayscale
  shows 191 159 127 invert
  shows 115 147 179 brightness:intensity=0.7
  shows 90 96 77 'color_shift:color_shift=[0.1,0,-0.2]'
  shows 192 90 90 grayscale red_tint intensity=0.4
  shows 32 80 128 contrast:amount=1.5
  shows 51 99 147 saturation:amount=1.5
  shows 128 72 82 hue:degrees=140
  shows 128 156 181 gamma:gamma=2
  shows 123 110 85 sepia
  shows 0 96 255 red_tint:intensity=-1 blue_tint:intensity=1
}

@test "one process with a chain makes what several in a pipe make" {
  make_clip in.ts 1
  trickle-decode in.ts >in.nut
  trickle-fx red_tint:intensity=0.3 invert grayscale <in.nut >one.nut
  trickle-fx red_tint:intensity=0.3 <in.nut | trickle-fx invert | trickle-fx grayscale >several.nut
  run -0 ffmpeg -nostdin -i one.nut -i several.nut -lavfi psnr -f null -
  local psnr
  psnr=$(grep -o 'average:[0-9inf]*' <<<"$output" | tail -n 1 | cut -d: -f2)
  [ "$psnr" = inf ] || [ "$psnr" -ge 50 ]
}

@test "a closed output is a quiet end" {
  make_clip in.ts 3
  trickle-decode in.ts >in.nut
  { trickle-fx red_tint <in.nut 2>fx.log; echo $? >code; } | head -c 100000 >/dev/null
  [ "$(cat code)" -eq 0 ]
  run ! grep -E 'error|warning' fx.log
}

@test "LibTorch is no part of the program" {
  ldd "$(command -v trickle-fx)" >libraries
  run ! grep -qi torch libraries
}
