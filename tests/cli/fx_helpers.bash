# shellcheck shell=bash
# For the tests of trickle-fx, whose setup and teardown stand here too: clips of one colour, what came out of it, and
# what it answers while it runs. Load it instead of helpers.

load helpers

setup() { common_setup; }
teardown() { common_teardown; }

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

# ask LINE…: says these to the control socket fx.sock, each when the one before was answered, and prints the answers.
# The file asked is there as soon as the first was sent.
ask() {
  python3 - "$WORK/fx.sock" "$@" <<'PY'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
lines = s.makefile("rw")
for text in sys.argv[2:]:
    print(text, file=lines, flush=True)
    open("asked", "w").close()
    print(lines.readline(), end="")
PY
}

# shape FILE: codec, size and pixel format or rate of each track.
shape() {
  ffprobe -v error -show_entries stream=codec_name,width,height,pix_fmt,sample_rate -of csv=p=0 "$1"
}

# loudness FILE: the mean volume of its sound in dB, a whole number.
loudness() {
  ffmpeg -nostdin -i "$1" -map 0:a -af volumedetect -f null - 2>&1 | sed -nE 's/.*mean_volume: (-?[0-9]+).*/\1/p'
}

# first_picture FILE: its first frame as hexadecimal RGB.
first_picture() {
  ffmpeg -nostdin -v error -i "$1" -map 0:v -frames:v 1 -f rawvideo -pix_fmt rgb24 - | od -An -v -tx1 | tr -d ' \n'
}

plugin() {
  echo "plugin:path=$ROOT/build/release/tests/plugins/$1.so"
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

# untouched "FAILED RESTARTED OVERLAY": what stats.json counts of frames that passed effects as they were.
untouched() {
  local got
  got=$(tail -n 1 stats.json | jq -r '.untouched | "\(.failed) \(.restarted) \(.overlay)"')
  [ "$got" = "$1" ] || { echo "untouched: $got, wanted $1" && return 1; }
}

# make_models: TorchScript models in the folder models; where LibTorch was not there to build with, the test is left out.
make_models() {
  local program=$ROOT/build/release/tests/make_models
  [ -x "$program" ] || skip 'built without LibTorch'
  mkdir models
  "$program" models
}
