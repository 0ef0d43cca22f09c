# trickle-decode: every frame and every timestamp, in every format, whatever happens to the input.

# bats sets $output, $stderr and $lines.
# shellcheck disable=SC2154

load helpers

setup() { common_setup; }
teardown() { common_teardown; }

# hashes FILE [FFMPEG OUTPUT OPTIONS…]: of each decoded picture, without its time.
hashes() {
  local file=$1
  shift
  ffmpeg -nostdin -v error -noautorotate -i "$file" -map 0:v:0 -vsync passthrough "$@" -f framemd5 - | grep -v '^#' | awk '{ print $NF }'
}

# times FILE KIND: presentation times of the first video track in seconds, by packets or by decoded frames.
times() {
  local field=pts_time
  [ "$2" = packet ] || field=best_effort_timestamp_time
  ffprobe -v error -select_streams v:0 -show_entries "$2=$field" -of csv=p=0 "$1" | tr -d , | grep .
}

# audio FILE: hashes of the audio packets' bytes.
audio() { ffprobe -v error -select_streams a:0 -show_packets -show_data_hash md5 "$1" | grep '^data_hash' | cut -c 1-42; }

# same_audio_times A B: but for what ffprobe loses by rounding each duration.
same_audio_times() {
  local file
  for file in "$@"; do
    ffprobe -v error -select_streams a:0 -show_entries packet=pts_time -of csv=p=0 "$file" | tr -d , | grep . >"$file.times"
  done
  paste "$1.times" "$2.times" | awk '{ d = $1 - $2; if (NF < 2 || d > 1e-4 || d < -1e-4) { print; exit 1 } }'
}

# decodes_like_ffmpeg FILE [PIX_FMT]: same pictures, same times, same audio.
decodes_like_ffmpeg() {
  trickle-decode "$1" >frames.nut 2>decode.log
  diff <(hashes "$1" ${2:+-pix_fmt "$2"}) <(hashes frames.nut)
  diff <(times "$1" frame) <(times frames.nut packet)
  diff <(audio "$1") <(audio frames.nut)
  same_audio_times "$1" frames.nut
}

@test "--help of trickle-decode is the golden one" {
  golden trickle-decode.help trickle-decode --help
}

@test "frames are what ffmpeg decodes, at their times, and the audio is untouched" {
  make_clip in.ts 3
  decodes_like_ffmpeg in.ts
}

@test "B-frames come out in order" {
  make_clip in.ts 3 320x240 30 -tune animation -preset fast -bf 3
  decodes_like_ffmpeg in.ts
}

@test "29.97 and 59.94 frames a second keep their exact times" {
  make_clip ntsc.ts 2 320x240 30000/1001
  decodes_like_ffmpeg ntsc.ts
  make_clip double.ts 2 320x240 60000/1001
  decodes_like_ffmpeg double.ts
}

@test "a variable frame rate keeps its exact times" {
  make_clip in.ts 3 320x240 30 -vf "select='not(eq(mod(n,7),3))+gt(n,60)'" -vsync vfr
  decodes_like_ffmpeg in.ts
}

@test "the pixel format is kept: 4:2:0, 4:2:2 and 4:4:4, 8 and 10 bits" {
  for format in yuv420p yuv422p yuv444p yuv420p10le yuv422p10le yuv444p10le; do
    make_clip in.ts 1 320x240 30 -pix_fmt $format
    decodes_like_ffmpeg in.ts $format
    [ "$(ffprobe -v error -select_streams v -show_entries stream=pix_fmt -of csv=p=0 frames.nut | tr -d ',\n')" = $format ]
  done
}

@test "HEVC and MPEG-2, interlaced and portrait, with MP2, AC-3 and Opus" {
  make_clip mpeg2.ts 2 320x240 30 -c:v mpeg2video -bf 2 -flags +ildct+ilme -c:a mp2
  decodes_like_ffmpeg mpeg2.ts
  make_clip portrait.ts 2 240x432 30 -c:a ac3
  decodes_like_ffmpeg portrait.ts
  make_clip hevc.ts 1 320x240 30 -c:v libx265 -tune zerolatency -x265-params log-level=none -c:a libopus
  decodes_like_ffmpeg hevc.ts
}

@test "other containers decode as well" {
  for name in in.mp4 in.mkv in.flv; do
    ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x240:r=30:d=2 -c:v libx264 -preset ultrafast -bf 0 \
      -pix_fmt yuv420p $name
    trickle-decode $name >frames.nut
    diff <(hashes $name) <(hashes frames.nut)
    trickle-decode <$name >piped.nut
    diff <(hashes $name) <(hashes piped.nut)
  done
}

@test "timestamps go on rising over a wrap" {
  make_clip in.ts 3 320x240 30 -bf 2 -output_ts_offset 95441
  trickle-decode in.ts >frames.nut
  times frames.nut packet >got
  [ "$(wc -l <got)" -eq 90 ]
  sort -n got | cmp - got
  [ "$(head -n 1 got | cut -d . -f 1)" -ge 95441 ]
}

@test "a time line that jumps back is continued, and the gap is counted" {
  make_clip one.ts 2
  cat one.ts one.ts | trickle-decode --stats stats.json >frames.nut
  times frames.nut packet >got
  [ "$(wc -l <got)" -eq 120 ]
  sort -n -u got | cmp - got
  [ "$(tail -n 1 stats.json | jq .gaps)" -eq 1 ]
}

@test "a change of size in mid-stream reaches the reader of the frames" {
  make_clip small.ts 1 320x240
  make_clip large.ts 1 640x360 30 -output_ts_offset 1
  cat small.ts large.ts | trickle-decode | ffmpeg -nostdin -v error -i - -map 0:v -vsync passthrough -vf scale=64:64 -f framemd5 - >out.md5
  [ "$(grep -vc '^#' out.md5)" -eq 60 ]
  cat small.ts large.ts | trickle-decode 2>decode.log | trickle-encode >again.ts
  ffprobe -v error -select_streams v -show_entries frame=width -of csv=p=0 again.ts | tr -d , | grep . | sort | uniq -c >widths
  [ "$(awk '{ print $1 ":" $2 }' widths | tr '\n' ' ')" = '30:320 30:640 ' ]
}

@test "--size covers and cuts the centre, --pix-fmt converts, --max-fps thins out" {
  make_clip in.ts 2 320x180
  trickle-decode --size 160x160 --pix-fmt rgb24 --max-fps 10 in.ts >frames.nut
  run -0 ffprobe -v error -select_streams v -count_packets -show_entries stream=width,height,pix_fmt,nb_read_packets \
    -of csv=p=0 frames.nut
  [ "${lines[0]}" = 160,160,rgb24,20 ] || [ "${lines[0]}" = rgb24,160,160,20 ] || { echo "$output"; false; }
}

@test "--audio none leaves audio out, pcm decodes it in full" {
  make_clip in.ts 2
  trickle-decode --audio none in.ts >none.nut
  [ -z "$(ffprobe -v error -select_streams a -show_entries stream=codec_name -of csv=p=0 none.nut)" ]
  trickle-decode --audio pcm in.ts >pcm.nut
  [ "$(ffprobe -v error -select_streams a -show_entries stream=codec_name -of csv=p=0 pcm.nut | head -n 1)" = pcm_s16le ]
  ffmpeg -nostdin -v error -i pcm.nut -map 0:a -f s16le - | wc -c >bytes
  [ "$(cat bytes)" -ge $((44100 * 2 * 19 / 10)) ]
}

@test "audio alone passes through" {
  ffmpeg -nostdin -v error -f lavfi -i sine=440:d=2 -c:a aac -f mpegts in.ts
  trickle-decode in.ts >frames.nut
  diff <(audio in.ts) <(audio frames.nut)
  same_audio_times in.ts frames.nut
}

@test "--format y4m is what ffmpeg reads back" {
  make_clip in.ts 1
  trickle-decode --format y4m in.ts >frames.y4m
  diff <(hashes in.ts) <(hashes frames.y4m)
}

@test "--control changes size and rate while it runs" {
  make_clip in.ts 2
  mkfifo control
  background bash -c 'trickle-decode --control fd:3 in.fifo 3<control >frames.nut 2>decode.log'
  decode=$LAST
  mkfifo in.fifo
  exec 4>control
  echo '{"width":160,"height":120}' >&4
  # Only once the line was read does the input begin.
  cat in.ts >in.fifo
  exec 4>&-
  wait "$decode"
  [ "$(grep -c 'pictures are 160x120 from here' decode.log)" -eq 1 ]
}

@test "the first frame is there before the input ends" {
  make_clip in.ts 2
  mkfifo in.fifo
  background bash -c 'trickle-decode in.fifo >frames.nut'
  exec 5>in.fifo
  head -c 60000 in.ts >&5
  wait_until 10 test -s frames.nut
  exec 5>&-
}

@test "a truncated input gives what was whole, and ends well" {
  make_clip in.ts 2
  head -c $(($(stat -c %s in.ts) / 2 + 77)) in.ts | trickle-decode >frames.nut
  [ "$(count_frames frames.nut)" -ge 20 ]
}

@test "damage is survived, counted and said" {
  make_clip in.ts 4
  python3 - in.ts bad.ts <<'PYTHON'
import random, sys
data = bytearray(open(sys.argv[1], 'rb').read())
rng = random.Random(7)
for _ in range(60):
    data[rng.randrange(20000, len(data))] = rng.randrange(256)
del data[100000:100500]
open(sys.argv[2], 'wb').write(data)
PYTHON
  trickle-decode --stats stats.json bad.ts >frames.nut 2>decode.log
  [ "$(count_frames frames.nut)" -ge 60 ]
  [ "$(tail -n 1 stats.json | jq .drops.damaged)" -ge 1 ]
  grep -q warning decode.log
}

@test "bytes of which nothing decodes are exit code 6 and one sentence" {
  head -c 100000 /dev/urandom >noise
  run -6 --separate-stderr trickle-decode noise
  [ -n "$stderr" ]
  yes 'this is no video' | head -n 1000 >text
  run -6 --separate-stderr trickle-decode text
  [ -n "$stderr" ]
}

@test "an empty input is exit code 0 and a warning" {
  run -0 --separate-stderr trickle-decode /dev/null
  [[ $stderr == *'the input is empty'* ]]
}

@test "wrong options are exit code 2, a missing file says so" {
  run -2 trickle-decode --size 12 /dev/null
  run -2 trickle-decode --pix-fmt purple /dev/null
  run -2 trickle-decode --audio opus /dev/null
  make_clip in.ts 1
  run -2 --separate-stderr trickle-decode --hwaccel nonsense in.ts
  [[ $stderr == *nonsense* ]]
  run -3 --separate-stderr trickle-decode no-such-file
  [[ $stderr == *no-such-file* ]]
}

@test "a reader that goes away is a quiet end" {
  make_clip in.ts 4
  trickle-decode in.ts 2>decode.log | head -c 200000 >/dev/null
  [ "${PIPESTATUS[0]}" -eq 0 ]
  run ! grep -q error decode.log
}
