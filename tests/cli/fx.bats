#!/usr/bin/env bats
# trickle-fx: its effects, parameters, live control and what it leaves untouched.

load helpers

setup() {
  common_setup
}

teardown() {
  common_teardown
}

# flat_clip FILE SECONDS COLOUR: MPEG-TS with one colour everywhere and a tone.
flat_clip() {
  ffmpeg -nostdin -loglevel error -y -f lavfi -i "color=c=$3:s=64x48:r=25:d=$2" -f lavfi -i "sine=440:d=$2" \
    -c:v libx264 -preset ultrafast -tune zerolatency -qp 4 -g 25 -pix_fmt yuv420p -c:a aac -f mpegts "$1"
}

# colours FILE: the middle pixel of each frame as "R G B", a line each.
colours() {
  ffmpeg -nostdin -loglevel error -i "$1" -vf "crop=2:2:30:22,scale=1:1:flags=area,format=rgb24" -fps_mode passthrough \
    -f rawvideo - | od -An -v -tu1 -w3 | awk '{print $1, $2, $3}'
}

# near "R G B" R G B: each channel within 3 steps, which is what YUV and the encoder cost.
near() {
  local -a got
  read -ra got <<<"$1"
  local i wanted=("${@:2}")
  for i in 0 1 2; do
    if ((got[i] < wanted[i] - 3 || got[i] > wanted[i] + 3)); then
      echo "got $1, wanted ${*:2}" >&2
      return 1
    fi
  done
}

# times FILE STREAM: the time stamps of its packets in ticks of 1/90000.
times() {
  ffprobe -v error -select_streams "$2" -show_entries packet=pts_time -of csv=p=0 "$1" | tr -d ',' | grep .
}

# audio_hashes FILE: time and content of each audio packet.
audio_hashes() {
  ffmpeg -nostdin -loglevel error -copyts -i "$1" -map 0:a -c copy -f framehash -hash md5 - | grep -v '^#' |
    awk -F, '{print $6}'
}

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

# start_half OPTIONS…: trickle-fx runs on the first half of in.nut; the rest is held back until feed_rest.
start_half() {
  flat_clip in.ts 2 0x406080
  trickle-decode in.ts >in.nut
  mkfifo feed
  # An asynchronous command gets /dev/null as its input unless it is redirected right there.
  background bash -c 'exec trickle-fx "$@" <feed' - "$@" >out.nut 2>fx.log
  FX=$LAST
  exec 7>feed
  head -c $(($(stat -c %s in.nut) / 2)) in.nut >&7
  wait_until 10 enough_came_out
}
enough_came_out() {
  [ "$(stat -c %s out.nut)" -gt $((64 * 48 * 30)) ]
}
feed_rest() {
  tail -c +$(($(stat -c %s in.nut) / 2 + 1)) in.nut >&7
  exec 7>&-
  wait "$FX"
}

@test "a control line changes the colour from the next frame on, and loses none" {
  mkfifo control
  exec 8<>control
  start_half --control fd:8 red_tint:intensity=0.2
  echo '{"effect":"blue_tint","intensity":0.3}' >&8
  wait_until 10 grep -q 'now blue_tint:intensity=0.3' fx.log
  feed_rest
  [ "$(colours out.nut | wc -l)" -eq 50 ]
  near "$(colours out.nut | head -n 1)" 115 96 128
  near "$(colours out.nut | tail -n 1)" 64 96 204
  # One change, and no colour in between.
  [ "$(colours out.nut | uniq | wc -l)" -le 4 ]
  diff <(times in.nut v:0) <(times out.nut v:0)
}

@test "a refused control line is answered with its sentence and changes nothing" {
  start_half --control "$WORK/fx.sock" red_tint:intensity=0.2
  python3 - "$WORK/fx.sock" >answers <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
lines = s.makefile("rw")
for text in ('{"intensity":7}', 'nonsense', '[{"effect":"invert"},{"effect":"sparkle"}]', '{}'):
    print(text, file=lines, flush=True)
    print(lines.readline(), end="")
PY
  [ "$(sed -n 1p answers)" = '{"ok":false,"error":"intensity of red_tint must be a number from -1 to 1, not 7"}' ]
  [ "$(sed -n 2p answers)" = '{"ok":false,"error":"the update is not valid JSON"}' ]
  [[ "$(sed -n 3p answers)" == *'unknown effect \"sparkle\"'* ]]
  [ "$(sed -n 4p answers)" = '{"ok":true}' ]
  feed_rest
  near "$(colours out.nut | tail -n 1)" 115 96 128
  [ ! -e fx.sock ]
}

@test "a control peer that dies in the middle of a line harms nothing" {
  start_half --control fd:8 red_tint:intensity=0.2 8< <(printf '{"intensity":0.')
  feed_rest
  [ "$(colours out.nut | wc -l)" -eq 50 ]
  near "$(colours out.nut | tail -n 1)" 115 96 128
}

# shape FILE: codec, size and pixel format or rate of each track.
shape() {
  ffprobe -v error -show_entries stream=codec_name,width,height,pix_fmt,sample_rate -of csv=p=0 "$1"
}

@test "avfilter runs FFmpeg's filters and keeps every time stamp and the sound" {
  make_clip in.ts 1
  trickle-decode in.ts >in.nut
  trickle-fx "avfilter:graph='hflip,eq=brightness=0.1'" <in.nut >out.nut
  ffmpeg -nostdin -v error -i in.nut -vf 'hflip,eq=brightness=0.1' -f framehash - | grep '^0' | awk -F, '{print $6}' >expected
  ffmpeg -nostdin -v error -i out.nut -map 0:v -f framehash - | grep '^0' | awk -F, '{print $6}' >got
  [ "$(wc -l <got)" -eq 30 ]
  diff expected got
  diff <(times in.nut v:0) <(times out.nut v:0)
  diff <(audio_hashes in.nut) <(audio_hashes out.nut)
}

@test "an avfilter graph may change size, rate and format, of encoded input too" {
  make_clip in.ts 1
  trickle-decode in.ts >in.nut
  trickle-fx "avfilter:graph='fps=60,scale=96:64'" <in.nut >out.nut
  [ "$(shape out.nut | head -n 1)" = rawvideo,96,64,yuv420p ]
  [ "$(times out.nut v:0 | wc -l)" -eq 60 ]
  trickle-fx "avfilter:graph='fps=15,scale=96:64'" <in.ts >out.ts
  [ "$(shape out.ts | head -n 1)" = h264,96,64,yuv420p ]
  [ "$(count_frames out.ts)" -eq 15 ]
  trickle-fx "avfilter:graph='format=rgb24'" <in.nut >out.nut
  [[ "$(shape out.nut | head -n 1)" == rawvideo,*,rgb24 ]]
  trickle-fx "avfilter:graph=colorchannelmixer=rr=0.5" <in.nut >out.nut
  [[ "$(shape out.nut | head -n 1)" == rawvideo,*,yuv420p ]]
}

# loudness FILE: the mean volume of its sound in dB, a whole number.
loudness() {
  ffmpeg -nostdin -i "$1" -map 0:a -af volumedetect -f null - 2>&1 | sed -nE 's/.*mean_volume: (-?[0-9]+).*/\1/p'
}

@test "an audio_graph changes the sound, in frames and in MPEG-TS, and leaves the pictures" {
  make_clip in.ts 2
  trickle-decode in.ts >in.nut
  trickle-fx "avfilter:audio_graph='volume=-20dB'" <in.nut >out.nut
  [[ "$(shape out.nut)" == *pcm_s16le* ]]
  local before after
  before=$(loudness in.nut) after=$(loudness out.nut)
  ((after >= before - 21 && after <= before - 19)) || { echo "$before $after" && return 1; }
  diff <(times in.nut v:0) <(times out.nut v:0)
  [ "$(times in.nut a:0 | head -n 1)" = "$(times out.nut a:0 | head -n 1)" ]
  trickle-fx "avfilter:audio_graph='volume=-20dB'" <in.ts >out.ts
  [[ "$(shape out.ts)" == *aac* ]]
  after=$(loudness out.ts)
  ((after >= before - 21 && after <= before - 19)) || { echo "$before $after" && return 1; }
}

@test "a graph that is wrong is refused with FFmpeg's own sentence" {
  refused() {
    run -2 trickle-fx "${@:2}" </dev/null
    [[ "$output" == *"$1"* ]] || { echo "$output" && return 1; }
    [ "$(wc -l <<<"$output")" -eq 1 ]
  }
  refused "avfilter: No such filter: 'hflipp'" avfilter:graph=hflipp
  refused 'one input and one output' avfilter:graph=overlay
  refused 'graph is missing' avfilter
  refused 'no filter of the graph takes it' "avfilter:graph=hflip,command='eq contrast 2'"
}

@test "a command from the control channel reaches the running filters" {
  mkfifo control
  exec 8<>control
  start_half --control fd:8 "avfilter:graph='hue=b=0'"
  echo '{"command":"hue b 10"}' >&8
  wait_until 10 grep -q "command='hue b 10'" fx.log
  feed_rest
  near "$(colours out.nut | head -n 1)" 64 96 128
  near "$(colours out.nut | tail -n 1)" 255 255 255
  [ "$(colours out.nut | wc -l)" -eq 50 ]
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
