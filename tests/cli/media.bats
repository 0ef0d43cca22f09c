# Every kind of clip through decode and encode: each frame and each timestamp of the source in what comes out.

# bats sets $output, $stderr and $lines.
# shellcheck disable=SC2154

load helpers

setup() {
  common_setup
  # Made once, kept beside the programs.
  MEDIA=${TRICKLE_MEDIA:-${TRICKLE_BIN:-$ROOT/build/release/bin}/../tests/media}
  "$ROOT/tests/data/make_media" "$MEDIA"
}
teardown() { common_teardown; }

# times FILE: of each video frame in presentation order, in seconds from the first one.
times() {
  ffprobe -v error -select_streams v:0 -show_entries frame=best_effort_timestamp_time -of csv=p=0 "$1" |
    tr -d , | grep . | awk 'NR == 1 { first = $1 } { printf "%.6f\n", $1 - first }'
}

# same_times A B: as many, and none further off than rounding to 1/90000 s or printing makes it.
same_times() {
  paste "$1" "$2" | awk '{ d = $1 - $2; if (NF < 2 || d > 1.3e-5 || d < -1.3e-5) { print "line " NR ": " $0; exit 1 } }'
}

# audio FILE: the time (1/90000 s in a TS) and a hash of each audio packet, track by track.
audio() {
  ffprobe -v error -select_streams a -show_data_hash md5 -show_entries packet=stream_index,pts,data_hash -of default=nw=1 "$1" |
    awk -F = '/^stream_index/ { track = $2 } /^pts=/ { pts = $2 } /^data_hash/ { print track "," pts "," $2 }' |
    sort -s -t , -k 1,1n | cut -d , -f 2,3
}

# same_audio A B: the same packets in both, none moved by more than rounding; the counter's wrap is passed over.
same_audio() {
  paste -d , "$1" "$2" |
    awk -F , '{ d = ($1 - $3) % 8589934592; if ($2 != $4 || d > 2 || d < -2) { print "packet " NR ": " $0; exit 1 } }'
}

@test "no frame is lost, doubled or moved: every rate, order, time line, format, shape and sound" {
  local failed='' clip name
  for clip in "$MEDIA"/{rate,order,time,pixels,shape,sound}_*; do
    name=${clip##*/}
    trickle-decode "$clip" 2>decode.log | trickle-encode --preset ultrafast >out.ts 2>encode.log
    times "$clip" >expected
    times out.ts >got
    if ! same_times expected got >difference; then
      echo "$name: $(wc -l <expected) frames in, $(wc -l <got) out; $(cat difference)"
      failed+=" $name"
    fi
    [[ $name == *.ts ]] || continue
    if ! same_audio <(audio "$clip") <(audio out.ts) >difference; then
      echo "$name: the audio is not what it was: $(cat difference)"
      failed+=" $name"
    fi
  done
  [ -z "$failed" ]
}

@test "pictures are exact: what is decoded is what ffmpeg decodes, for every format and shape, by pipe and shared memory" {
  local failed='' clip name
  for clip in "$MEDIA"/{pixels,shape,order}_*.ts; do
    name=${clip##*/}
    format=$(ffprobe -v error -select_streams v:0 -show_entries stream=pix_fmt -of csv=p=0 "$clip" | head -n 1 | tr -d ,)
    ffmpeg -nostdin -v error -i "$clip" -map 0:v -vsync passthrough -pix_fmt "$format" -f framemd5 - 2>/dev/null | grep -v '^#' | awk '{ print $NF }' >expected
    trickle-decode "$clip" 2>/dev/null | ffmpeg -nostdin -v error -i - -map 0:v -vsync passthrough -f framemd5 - | grep -v '^#' | awk '{ print $NF }' >got
    trickle-decode --shm "$clip" 2>/dev/null | trickle-fx none 2>/dev/null | ffmpeg -nostdin -v error -i - -map 0:v -vsync passthrough -f framemd5 - | grep -v '^#' | awk '{ print $NF }' >shared
    cmp -s expected got && cmp -s got shared || failed+=" $name"
  done
  echo "differ:$failed"
  [ -z "$failed" ]
}

@test "colour, range, field order and pixel shape of each clip reach the encoder's headers" {
  local failed='' clip field
  for clip in "$MEDIA"/pixels_{full_range,bt709,bt601}.ts "$MEDIA"/shape_{tff,bff,anamorphic}.ts; do
    trickle-decode "$clip" 2>/dev/null | trickle-encode --preset ultrafast 2>/dev/null >out.ts
    for field in color_range color_space color_primaries color_transfer field_order sample_aspect_ratio; do
      want=$(ffprobe -v error -select_streams v -show_entries stream=$field -of csv=p=0 "$clip" | head -n 1)
      got=$(ffprobe -v error -select_streams v -show_entries stream=$field -of csv=p=0 out.ts | head -n 1)
      [ "$want" = "$got" ] || failed+=" ${clip##*/}:$field:$want/$got"
    done
  done
  echo "differ:$failed"
  [ -z "$failed" ]
}

@test "a change of size, codec or PID in mid-stream: every frame of both halves, in one TS with rising times" {
  for change in size codec codec_b pid; do
    trickle-decode "$MEDIA/change_$change.ts" 2>decode.log | trickle-encode --preset ultrafast >out.ts 2>encode.log
    times out.ts >got
    [ "$(wc -l <got)" -eq 60 ] || { echo "$change: $(wc -l <got) frames"; cat decode.log; false; }
    sort -n -u got | cmp - got
    run -0 ffprobe -v warning -show_error out.ts
    [ -z "$output" ] || { echo "$change: $output"; false; }
  done
}

@test "transport streams that few muxers write: every frame and its time, and the sound" {
  local failed='' clip name
  times "$MEDIA/odd_base.ts" >expected
  audio "$MEDIA/odd_base.ts" >sound
  for clip in "$MEDIA"/odd_*.ts; do
    name=${clip##*/}
    trickle-decode "$clip" 2>decode.log | trickle-encode --preset ultrafast >out.ts 2>encode.log
    times out.ts >got
    if ! same_times expected got >difference; then
      echo "$name: $(wc -l <got) frames out; $(cat difference decode.log)"
      failed+=" $name"
    fi
    [[ $name == *scrambled* ]] || cmp -s <(cut -d , -f 2 sound) <(audio out.ts | cut -d , -f 2) || failed+=" $name:audio"
  done
  trickle-decode "$MEDIA/odd_scrambled_sound.ts" 2>decode.log >/dev/null
  grep -q 'scrambled packets dropped' decode.log
  trickle-decode "$MEDIA/odd_track_added.ts" 2>decode.log >/dev/null
  grep -q 'audio on PID 258 came too late' decode.log
  echo "differ:$failed"
  [ -z "$failed" ]
}

@test "--latency throughput keeps every frame and its time, too" {
  local failed='' clip name
  for clip in "$MEDIA"/{rate_variable,order_b,order_hevc,time_wrap_b}.ts; do
    name=${clip##*/}
    trickle-decode --latency throughput "$clip" 2>decode.log | trickle-encode --latency throughput --preset veryfast >out.ts 2>encode.log
    times "$clip" >expected
    times out.ts >got
    same_times expected got >difference || { echo "$name: $(cat difference)"; failed+=" $name"; }
    same_audio <(audio "$clip") <(audio out.ts) || failed+=" $name:audio"
  done
  echo "differ:$failed"
  [ -z "$failed" ]
}

@test "a turned picture comes out upright" {
  for turn in 90 180 270; do
    trickle-decode "$MEDIA/turned_$turn.mp4" 2>/dev/null | ffmpeg -nostdin -v error -i - -map 0:v -vsync passthrough -f framemd5 - | grep -v '^#' | awk '{ print $NF }' >got
    ffmpeg -nostdin -v error -i "$MEDIA/turned_$turn.mp4" -map 0:v -vsync passthrough -f framemd5 - | grep -v '^#' | awk '{ print $NF }' >expected
    [ "$(wc -l <expected)" -eq 15 ]
    cmp expected got
  done
}

@test "what is written passes every checker that is installed" {
  for clip in rate_30 sound_ac3 sound_opus order_b rate_1; do
    trickle-decode "$MEDIA/$clip.ts" 2>/dev/null | trickle-encode 2>/dev/null >out.ts
    run -0 ffprobe -v warning -show_error -count_frames out.ts
    [[ $output != *error* && $output != *corrupt* ]] || { echo "$clip: $output"; false; }
    run -0 ffmpeg -nostdin -v warning -i out.ts -f null -
    [ -z "$output" ] || { echo "$clip: $output"; false; }
    if /usr/bin/python3 -c 'import av' 2>/dev/null; then
      /usr/bin/python3 -c "
import av
frames = [f for f in av.open('out.ts').decode(video=0)]
assert frames and all(a.pts < b.pts for a, b in zip(frames, frames[1:]))"
    fi
    if command -v tsanalyze >/dev/null; then
      tsanalyze --normalized out.ts | tr : '\n' >analysis
      grep -qx invalidsyncs=0 analysis && grep -qx transporterrors=0 analysis
      ! grep -E '^discontinuities=[1-9]' analysis
    fi
  done
}

@test "damage of every kind is survived, counted and said, and the frames that remain keep their times" {
  ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=160x120:r=30:d=6 -f lavfi -i sine=440:d=6 -c:v libx264 \
    -preset ultrafast -tune zerolatency -g 30 -pix_fmt yuv420p -c:a aac -f mpegts in.ts
  times in.ts >all
  /usr/bin/env python3 - <<'PYTHON'
import random
data = open('in.ts', 'rb').read()
random.seed(4)
count = len(data) // 188
open('lost.ts', 'wb').write(data[:188 * (count // 3)] + data[188 * (count // 3 + 60):])
noisy = bytearray(data)
for _ in range(200): noisy[random.randrange(188 * 40, len(data))] ^= 1 << random.randrange(8)
open('noisy.ts', 'wb').write(noisy)
open('cut.ts', 'wb').write(data[:len(data) * 2 // 3 + 77])
open('shifted.ts', 'wb').write(data[:188 * 100] + b'x' * 50 + data[188 * 100:])
PYTHON
  for kind in lost noisy cut shifted; do
    trickle-decode --stats stats.json $kind.ts 2>decode.log | trickle-encode --preset ultrafast >out.ts 2>/dev/null
    ffprobe -v error -select_streams v:0 -show_entries frame=best_effort_timestamp_time -of csv=p=0 out.ts | tr -d , | grep . >got
    [ "$(wc -l <got)" -ge 90 ] || { echo "$kind: $(wc -l <got) frames"; cat decode.log; false; }
    sort -n -u got | cmp - got
    grep -Eq 'dropped|cut short' decode.log || { echo "$kind: nothing was said"; cat decode.log; false; }
    # No frame stands where the source has none: the last one is where it was, to the tick.
    last=$(ffprobe -v error -select_streams v:0 -show_entries frame=best_effort_timestamp_time -of csv=p=0 in.ts | tr -d , | grep . | sort -n >source; grep -cxFf source got || true)
    [ "$last" -ge $(($(wc -l <got) * 9 / 10)) ] || { echo "$kind: only $last of $(wc -l <got) times are the source's"; false; }
  done
}

@test "one corrupt timestamp moves nothing but itself" {
  ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=160x120:r=30:d=3 -c:v libx264 -preset ultrafast -tune zerolatency \
    -g 30 -pix_fmt yuv420p -f mpegts in.ts
  for change in '3600' '-3600' '40000' '-1.5' '5.8'; do
    /usr/bin/env python3 - "$change" <<'PYTHON'
import sys
data = bytearray(open('in.ts', 'rb').read())
seen = 0
for at in range(0, len(data), 188):
    if (data[at + 1] & 0x1f) << 8 | data[at + 2] != 0x100 or not data[at + 1] & 0x40: continue
    pes = at + 4 + (1 + data[at + 4] if data[at + 3] & 0x20 else 0)
    seen += 1
    if seen != 40: continue
    t = (data[pes + 9] >> 1 & 7) << 30 | data[pes + 10] << 22 | (data[pes + 11] >> 1) << 15 | data[pes + 12] << 7 | data[pes + 13] >> 1
    t = (t + int(float(sys.argv[1]) * 90000)) % (1 << 33)
    data[pes + 9] = data[pes + 9] & 0xf1 | (t >> 30 & 7) << 1
    data[pes + 10], data[pes + 11] = t >> 22 & 255, (t >> 15 & 127) << 1 | 1
    data[pes + 12], data[pes + 13] = t >> 7 & 255, (t & 127) << 1 | 1
open('corrupt.ts', 'wb').write(data)
PYTHON
    trickle-decode corrupt.ts 2>decode.log | trickle-encode --preset ultrafast >out.ts 2>/dev/null
    times in.ts >expected
    times out.ts >got
    [ "$(wc -l <got)" -eq 90 ] || { echo "$change: $(wc -l <got) frames"; false; }
    # All but the frame in question are where they were.
    [ "$(paste expected got | awk '{ d = $1 - $2; if (d > 1.3e-5 || d < -1.3e-5) ++n } END { print n + 0 }')" -le 1 ] ||
      { echo "$change"; paste expected got | sed -n 36,48p; cat decode.log; false; }
  done
}

@test "eleven audio frames in a packet do not hold up a picture" {
  # ffmpeg's muxer gathers audio; pictures must not wait for it on the way out.
  ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=160x120:r=30:d=2 -f lavfi -i sine=440:d=2 -c:v libx264 \
    -preset ultrafast -tune zerolatency -g 30 -pix_fmt yuv420p -c:a aac -pes_payload_size 2930 -f mpegts in.ts
  # Each transport packet comes when the one before was taken; what has come out by then is compared.
  cat >feed.py <<'PYTHON'
import os, subprocess, sys, select
data = open('in.ts', 'rb').read()
with_audio = len(sys.argv) > 1
process = subprocess.Popen(['trickle-decode', '--audio', 'copy' if with_audio else 'none'],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
pictures, complete, out = 0, 0, b''
os.set_blocking(process.stdout.fileno(), False)
starts = []
for at in range(0, len(data), 188):
    if (data[at + 1] & 0x1f) << 8 | data[at + 2] == 0x100 and data[at + 1] & 0x40: starts.append(at)
picture_bytes = 160 * 120 * 3 // 2
fed = 0
for number, end in enumerate(starts[1:31], 1):
    process.stdin.write(data[fed:end])
    process.stdin.flush()
    fed = end
    # All of picture `number` is in now: it must come out although no byte follows.
    while len(out) < number * picture_bytes:
        ready = select.select([process.stdout], [], [], 20)[0]
        assert ready, 'picture %d did not come' % number
        out += os.read(process.stdout.fileno(), 1 << 20)
process.stdin.close()
process.stdout.close()
process.wait()
PYTHON
  python3 feed.py
  python3 feed.py with-audio
}
