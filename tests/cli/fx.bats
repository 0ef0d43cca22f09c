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

# first_picture FILE: its first frame as hexadecimal RGB.
first_picture() {
  ffmpeg -nostdin -v error -i "$1" -map 0:v -frames:v 1 -f rawvideo -pix_fmt rgb24 - | od -An -v -tx1 | tr -d ' \n'
}

@test "blur, pixelate, flip, rotate and overlay_text do what ffmpeg's filters do" {
  make_clip in.ts 1 64x48
  trickle-decode in.ts >in.nut
  same_as() {
    trickle-fx "${@:2}" <in.nut >out.nut
    ffmpeg -nostdin -v error -y -i in.nut -map 0:v -vf "$1,format=yuv420p" -c:v rawvideo -f nut expected.nut
    [ "$(first_picture out.nut)" = "$(first_picture expected.nut)" ] || { echo "$*" && return 1; }
    diff <(times in.nut v:0) <(times out.nut v:0)
  }
  same_as gblur=sigma=3 blur:radius=3
  same_as pixelize=w=8:h=8 pixelate:size=8
  same_as hflip flip
  same_as hflip,vflip flip:direction=both
  same_as transpose=1 rotate
  same_as transpose=2 rotate:degrees=-90
  same_as null rotate:degrees=360
  same_as rotate=a=PI/6 rotate:degrees=30
  [ "$(shape out.nut | head -n 1)" = rawvideo,64,48,yuv420p ]
  trickle-fx rotate <in.nut >out.nut
  [ "$(shape out.nut | head -n 1)" = rawvideo,48,64,yuv420p ]
  printf '%s' "it's 100%: a, b; [c] \\" >words
  same_as "drawtext=textfile=words:expansion=none:fontsize=h*0.2:fontcolor=red:x=(w-tw)*0.5:y=(h-th)*0.5:box=1:boxcolor=black@0.5:boxborderw=6" \
    overlay_text "text=$(cat words)" size=0.2 color=red y=0.5
  run -2 trickle-fx flip:direction=sideways <in.nut
  [[ "$output" == *'direction of flip must be one of horizontal, vertical, both, not "sideways"'* ]]
  run -2 trickle-fx overlay_text:color=nonsense <in.nut
  [[ "$output" == *'overlay_text: '*nonsense* ]]
}

plugin() {
  echo "plugin:path=$ROOT/build/release/tests/plugins/$1.so"
}

@test "a plugin changes the picture in the pixel format it asks for, and the sound" {
  flat_clip in.ts 1 0x406080
  trickle-decode in.ts >in.nut
  trickle-fx "$(plugin example),gain=0.3" <in.nut >out.nut
  [[ "$(shape out.nut | head -n 1)" == rawvideo,*,yuv420p ]]
  near "$(colours out.nut | sed -n 5p)" 141 96 128
  diff <(times in.nut v:0) <(times out.nut v:0)
  local before after
  before=$(loudness in.nut) after=$(loudness out.nut)
  ((after >= before - 12 && after <= before - 9)) || { echo "$before $after" && return 1; }
  trickle-fx "$(plugin template)" amount=1 <in.nut >out.nut
  near "$(colours out.nut | sed -n 5p)" 0 6 38
  trickle-fx "$(plugin example),mode=half" <in.nut >out.nut
  [ "$(shape out.nut | head -n 1)" = rawvideo,32,24,yuv420p ]
  trickle-fx "$(plugin example),mode=drop_odd" <in.nut >out.nut
  [ "$(times out.nut v:0 | wc -l)" -eq 12 ]
}

@test "a frame's user data goes from plugin to plugin" {
  flat_clip in.ts 1 0x406080
  trickle-decode in.ts >in.nut
  trickle-fx "$(plugin example),mode=tag" red_tint "$(plugin example),mode=read_tag" <in.nut >out.nut 2>fx.log
  grep -q 'the frame says: frame 7' fx.log
  [ "$(grep -c 'the frame says' fx.log)" -eq 25 ]
}

@test "what is no plugin, or one of another version, is refused with a sentence" {
  refused() {
    run -2 trickle-fx "${@:2}" </dev/null
    [[ "$output" == *"$1"* ]] || { echo "$output" && return 1; }
    [ "$(wc -l <<<"$output")" -eq 1 ]
  }
  refused 'plugin: path is missing' plugin
  refused 'cannot open shared object file' plugin:path=/nowhere/libx.so
  refused 'file too short' plugin:path=/dev/null
  refused 'no plugin: it has no function trickle_effect_plugin_entry' "$(plugin no_entry)"
  refused 'made for version 2 of the plugin interface, and this program has version 1' "$(plugin next_version)"
  refused 'has no parameter "colour"' "$(plugin template),colour=red"
  refused 'amount of this plugin must be a number from 0 to 1, not "7"' "$(plugin template),amount=7"
  refused 'there is no mode "refuse"' "$(plugin example),mode=refuse"
}

@test "a plugin that fails on a frame lets it pass as it came; one that crashes takes its filter along" {
  flat_clip in.ts 1 0x406080
  trickle-decode in.ts >in.nut
  trickle-fx "$(plugin example),mode=fail_on_7" <in.nut >out.nut 2>fx.log
  grep -q 'failed, and 1 frames passed it unchanged: .*seven is too many' fx.log
  grep -q 'processed 25 frames of 25, .* 1 passed an effect that failed on them' fx.log
  [ "$(times out.nut v:0 | wc -l)" -eq 25 ]
  near "$(colours out.nut | sed -n 7p)" 64 96 128
  run -134 bash -c "ulimit -c 0; exec trickle-fx '$(plugin example),mode=crash_on_7' <in.nut >out.nut"
  [ "$(times out.nut v:0 | wc -l)" -eq 6 ]
}

@test "a plugin takes new parameters while it runs, and refuses them with its own sentence" {
  start_half --control "$WORK/fx.sock" "$(plugin example),gain=0"
  ask() {
    python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
print(s.makefile().readline(), end="")' "$WORK/fx.sock" "$1"
  }
  [[ "$(ask '{"mode":"refuse","gain":0.9}')" == *'"ok":false'*'there is no mode'* ]]
  [[ "$(ask '{"gain":7}')" == *'gain of this plugin must be a number from 0 to 1'* ]]
  [[ "$(ask '{"gain":0.3}')" == *'"ok":true'* ]]
  feed_rest
  near "$(colours out.nut | head -n 1)" 64 96 128
  near "$(colours out.nut | tail -n 1)" 141 96 128
  [ "$(colours out.nut | wc -l)" -eq 50 ]
}

@test "exec runs a program on the frames, with every time stamp and the sound untouched" {
  make_clip in.ts 2
  trickle-decode in.ts >in.nut
  trickle-fx "exec:cmd='/usr/bin/python3 $ROOT/tests/examples/mirror.py'" <in.nut >out.nut
  trickle-fx flip <in.nut >expected.nut
  diff <(times in.nut v:0) <(times out.nut v:0)
  diff <(audio_hashes in.nut) <(audio_hashes out.nut)
  run -0 ffmpeg -nostdin -i expected.nut -i out.nut -lavfi psnr -f null -
  [ "$(grep -oE 'average:[0-9]+' <<<"$output" | tail -n 1 | cut -d: -f2)" -ge 35 ]
  trickle-fx exec cmd=cat <in.nut >out.nut
  diff <(times in.nut v:0) <(times out.nut v:0)
}

@test "exec starts a program that dies again, and what was in it passes as it came" {
  flat_clip in.ts 4 0x406080
  trickle-decode in.ts >in.nut
  # The first one dies with frames inside, the next ones live.
  cat >program <<'SH'
#!/bin/sh
if [ ! -e died ]; then
  touch died
  head -c 20000 >/dev/null
  exit 3
fi
exec trickle-fx red_tint:intensity=0.3
SH
  chmod +x program
  trickle-fx --stats stats.json exec:cmd=./program <in.nut >out.nut 2>fx.log
  diff <(times in.nut v:0) <(times out.nut v:0)
  near "$(colours out.nut | head -n 1)" 64 96 128
  near "$(colours out.nut | tail -n 1)" 141 96 128
  grep -q 'exec: ./program ended with exit code 3' fx.log
  [ "$(tail -n 1 stats.json | jq .restarts)" -eq 1 ]
  trickle-fx exec:cmd=/no/such/program <in.nut >out.nut 2>fx.log
  diff <(times in.nut v:0) <(times out.nut v:0)
  grep -q 'ended with exit code 127' fx.log
}

@test "exec ends a program that hangs after its patience, and every frame goes through" {
  flat_clip in.ts 1 0x406080
  trickle-decode in.ts >in.nut
  # Reads everything and gives nothing.
  trickle-fx --stats stats.json --events events.json "exec:cmd='echo x >>started; cat >/dev/null; sleep 600',patience=0.2" \
    <in.nut >out.nut 2>fx.log
  diff <(times in.nut v:0) <(times out.nut v:0)
  diff <(audio_hashes in.nut) <(audio_hashes out.nut)
  near "$(colours out.nut | tail -n 1)" 64 96 128
  grep -q 'gave nothing for 0.2 s; 9 frames in it pass as they came' fx.log
  # Once more at once, and then not for a while.
  [ "$(wc -l <started)" -ge 2 ]
  [ "$(jq -r 'select(.event == "effect_restarted").message' events.json | grep -c 'gave nothing')" -ge 2 ]
}

@test "an effect that takes seconds to load does not hold up the video" {
  flat_clip in.ts 2 0x406080
  trickle-decode in.ts >in.nut
  mkfifo feed
  # shellcheck disable=SC2016 # bash -c is given its own arguments
  background bash -c 'exec trickle-fx --control "$1" red_tint:intensity=0 <feed' - "$WORK/fx.sock" >out.nut 2>fx.log
  FX=$LAST
  exec 7>feed
  head -c 400 in.nut >&7
  wait_until 10 test -S fx.sock
  # The answer comes when the plugin is loaded; all frames have gone through by then.
  python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode() + b"\n")
open("asked", "w")
print(s.makefile().readline(), end="")' "$WORK/fx.sock" \
    "{\"effect\":\"plugin\",\"path\":\"$ROOT/build/release/tests/plugins/example.so\",\"load_seconds\":5}" >answer &
  local asking=$!
  wait_until 10 test -e asked
  tail -c +401 in.nut >&7
  most_came_out() { [ "$(stat -c %s out.nut)" -gt $((64 * 48 * 48 * 3 / 2)) ]; }
  wait_until 10 most_came_out
  [ ! -s answer ]
  exec 7>&-
  wait "$FX"
  wait "$asking" || true
  [ "$(times out.nut v:0 | wc -l)" -eq 50 ]
}

# live_frames SECONDS: frames of one colour with sound, as fast as they would come live.
live_frames() {
  flat_clip live.ts "$1" 0x406080
  ffmpeg -nostdin -loglevel error -re -i live.ts -c copy -f mpegts - | trickle-decode
}

# every_frame_is_accounted_for: what went in came out or was counted, in rising order, with all its sound.
every_frame_is_accounted_for() {
  local out lag
  out=$(times out.nut v:0 | wc -l)
  lag=$(tail -n 1 stats.json | jq .drops.lag)
  [ $((out + lag)) -eq "$(times live.ts v:0 | wc -l)" ] || { echo "$out came out, $lag dropped" && return 1; }
  times out.nut v:0 | sort -g -c
  [ "$(times out.nut a:0 | wc -l)" -eq "$(times live.ts a:0 | wc -l)" ]
}

@test "with --on-lag drop an effect that stalls costs its frames alone, and the panel shows meanwhile" {
  live_frames 6 | trickle-fx --on-lag drop --overlay panel --stats stats.json \
    "$(plugin template),amount=0" "$(plugin example),stall_seconds=4,gain=0.3" --process-audio >out.nut
  every_frame_is_accounted_for
  # Red before, dim while the seventh frame takes its time, red again.
  near "$(colours out.nut | sed -n 3p)" 141 96 128
  [ "$(colours out.nut | awk '$3 < 60' | wc -l)" -ge 20 ]
  near "$(colours out.nut | tail -n 1)" 141 96 128
}

@test "an overlay of passthrough shows frames as they came while an effect is loaded" {
  live_frames 4 | trickle-fx --on-lag drop --overlay passthrough --stats stats.json red_tint:intensity=0 \
    "$(plugin example),load_seconds=2.5,gain=0.3" >out.nut
  every_frame_is_accounted_for
  near "$(colours out.nut | head -n 1)" 64 96 128
  near "$(colours out.nut | tail -n 1)" 141 96 128
}

@test "with --on-lag block a slow effect loses nothing" {
  flat_clip in.ts 2 0x406080
  trickle-decode in.ts >in.nut
  trickle-fx "$(plugin example),stall_seconds=3,gain=0.3" <in.nut >out.nut
  diff <(times in.nut v:0) <(times out.nut v:0)
  [ "$(colours out.nut | uniq | wc -l)" -eq 1 ]
}

@test "show_loading puts the panel over the frames until it is taken back" {
  start_half --control "$WORK/fx.sock" red_tint:intensity=0
  python3 - "$WORK/fx.sock" >answers <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
lines = s.makefile("rw")
for text in ('{"show_loading":"yes"}', '{"show_loading":true,"intensity":9}', '{"loading_progress":2}',
             '{"show_loading":true,"loading_message":" ","loading_progress":0.5}'):
    print(text, file=lines, flush=True)
    print(lines.readline(), end="")
PY
  [ "$(sed -n 1p answers)" = '{"ok":false,"error":"show_loading must be true or false"}' ]
  [[ "$(sed -n 2p answers)" == *'intensity of red_tint must be'* ]]
  [[ "$(sed -n 3p answers)" == *'loading_progress must be a number from 0 to 1'* ]]
  [ "$(sed -n 4p answers)" = '{"ok":true}' ]
  feed_rest
  near "$(colours out.nut | head -n 1)" 64 96 128
  near "$(colours out.nut | tail -n 1)" 13 19 26
  trickle-fx --show-loading none <in.nut >out.nut
  run ! near "$(colours out.nut | tail -n 1)" 64 96 128
  diff <(times in.nut v:0) <(times out.nut v:0)
}

@test "--events tells what effects say, and when they fail" {
  flat_clip in.ts 1 0x406080
  trickle-decode in.ts >in.nut
  trickle-fx --events events.json "$(plugin example),mode=data" <in.nut >out.nut
  [ "$(wc -l <events.json)" -eq 25 ]
  [ "$(jq -s '[.[].data.brightness] | unique | length' events.json)" -eq 1 ]
  jq -e 'select(.data.brightness > 0.3 and .data.brightness < 0.45 and .time_ms > 0)' events.json >/dev/null
  trickle-fx --events fd:9 "$(plugin example),mode=fail_on_7" <in.nut >out.nut 9>events.json
  [ "$(jq -r .event events.json)" = effect_failed ]
  [[ "$(jq -r .message events.json)" == *'seven is too many'* ]]
  run -2 trickle-fx --events fd:77 none <in.nut
  [[ "$output" == *'--events fd:77: there is no such open descriptor'* ]]
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
