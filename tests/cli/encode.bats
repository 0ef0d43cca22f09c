# trickle-encode: frames to MPEG-TS that any tool reads, every frame at its time.

# bats sets $output, $stderr and $lines.
# shellcheck disable=SC2154

load helpers

setup() { common_setup; }
teardown() { common_teardown; }

times() {
  ffprobe -v error -select_streams v:0 -show_entries packet=pts -of csv=p=0 "$1" | tr -d , | grep . | sort -n
}
audio() { ffprobe -v error -select_streams a:0 -show_packets -show_data_hash md5 "$1" | grep '^data_hash' | cut -c 1-42; }

# keyframes FILE: their times in seconds.
keyframes() {
  ffprobe -v error -select_streams v:0 -show_entries packet=pts_time,flags -of csv=p=0 "$1" | grep K | cut -d , -f 1
}

@test "--help of trickle-encode is the golden one" {
  golden trickle-encode.help trickle-encode --help
}

@test "decode and encode keep every frame, every timestamp and every audio packet" {
  for options in '30' '30000/1001' '60000/1001' '25 -bf 2 -preset fast' "30 -output_ts_offset 95441"; do
    # shellcheck disable=SC2086
    make_clip in.ts 3 320x240 $options
    trickle-decode in.ts | trickle-encode >out.ts
    diff <(times in.ts) <(times out.ts)
    diff <(audio in.ts) <(audio out.ts)
  done
}

@test "MP2, AC-3 and Opus pass untouched; what MPEG-TS can't carry is converted, and that is said" {
  for codec in mp2 ac3 libopus; do
    make_clip in.ts 2 320x240 30 -c:a $codec
    trickle-decode in.ts | trickle-encode >out.ts
    diff <(audio in.ts) <(audio out.ts)
  done
  ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x240:r=30:d=2 -f lavfi -i sine=440:d=2 -c:v libx264 \
    -preset ultrafast -pix_fmt yuv420p -c:a flac in.mkv
  trickle-decode in.mkv | trickle-encode >out.ts 2>encode.log
  grep -q "can't carry flac" encode.log
  [ "$(ffprobe -v error -select_streams a -show_entries stream=codec_name -of csv=p=0 out.ts | head -n 1)" = aac ]
}

@test "--audio opus and aac encode all of it" {
  make_clip in.ts 2
  for codec in opus aac; do
    trickle-decode in.ts | trickle-encode --audio $codec >out.ts
    [ "$(ffprobe -v error -select_streams a -show_entries stream=codec_name -of csv=p=0 out.ts | head -n 1)" = $codec ]
    samples=$(ffmpeg -nostdin -v quiet -i out.ts -map 0:a -ar 8000 -ac 1 -f u8 - | wc -c)
    [ "$samples" -ge $((8000 * 19 / 10)) ] || { echo "$samples samples of $codec"; false; }
  done
}

@test "keyframes come on the GOP clock, each behind its own tables" {
  make_clip in.ts 5 320x240 30
  trickle-decode in.ts | trickle-encode --gop 1s >out.ts
  [ "$(keyframes out.ts | wc -l)" -eq 5 ]
  python3 - out.ts <<'PYTHON'
import sys
data = open(sys.argv[1], 'rb').read()
assert len(data) % 188 == 0
last, pids, starts = {}, [], 0
for at in range(0, len(data), 188):
    packet = data[at:at + 188]
    assert packet[0] == 0x47
    pid = (packet[1] & 0x1f) << 8 | packet[2]
    if packet[3] & 0x10:
        assert pid not in last or (last[pid] + 1) & 15 == packet[3] & 15, 'continuity at %d' % at
        last[pid] = packet[3] & 15
    if packet[3] & 0x20 and packet[4] and packet[5] & 0x40 and packet[1] & 0x40 and pid == 0x100:
        starts += 1
        assert pids[-3:].count(0) and pids[-3:].count(0x1000), 'no tables before the keyframe at %d' % at
    pids.append(pid)
assert starts == 5, starts
PYTHON
}

@test "the clock comes every 40 ms and runs 100 ms or more behind the pictures, whose times are not shifted" {
  for fps in 30 10; do
    make_clip in.ts 3 320x240 $fps
    trickle-decode in.ts | trickle-encode >out.ts
    python3 - out.ts <<'PYTHON'
import sys
data = open(sys.argv[1], 'rb').read()
last, count = None, 0
for at in range(0, len(data), 188):
    packet = data[at:at + 188]
    if packet[3] & 0x20 and packet[4] >= 7 and packet[5] & 0x10:
        base = int.from_bytes(packet[6:11], 'big') >> 7
        assert last is None or 0 <= base - last <= 3600, (base - last) / 90
        last, count = base, count + 1
    if packet[1] & 0x40 and (packet[1] & 0x1f) << 8 | packet[2] == 0x100:
        pes = packet[4 + (1 + packet[4] if packet[3] & 0x20 else 0):]
        if pes[:3] == b'\0\0\1' and last is not None:
            t = (pes[9] >> 1 & 7) << 30 | pes[10] << 22 | (pes[11] >> 1) << 15 | pes[12] << 7 | pes[13] >> 1
            assert t - last >= 9000, (t - last) / 90
assert count > 50, count
PYTHON
  done
}

@test "ffprobe finds no fault in what is written" {
  make_clip in.ts 3
  trickle-decode in.ts | trickle-encode >out.ts
  run -0 ffprobe -v warning -show_error -count_frames out.ts
  [[ $output != *error* && $output != *corrupt* ]] || { echo "$output"; false; }
}

@test "colour, range, pixel shape and field order reach the stream" {
  # setparams too: from release 7 on ffmpeg heeds the first three options no more, where a frame says otherwise.
  make_clip in.ts 1 320x240 30 -colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range pc \
    -vf setsar=4/3,setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709 -pix_fmt yuvj420p
  trickle-decode in.ts | trickle-encode >out.ts
  run -0 ffprobe -v error -select_streams v -of default=nw=1 \
    -show_entries stream=color_space,color_primaries,color_transfer,color_range,sample_aspect_ratio out.ts
  for field in color_space=bt709 color_primaries=bt709 color_transfer=bt709 color_range=pc sample_aspect_ratio=4:3; do
    [[ $output == *$field* ]] || { echo "$field is not in $output"; false; }
  done
  make_clip in.ts 1 320x240 25 -vf setfield=tff -flags +ildct+ilme -x264-params tff=1
  trickle-decode in.ts | trickle-encode >out.ts
  [ "$(ffprobe -v error -select_streams v -show_entries stream=field_order -of csv=p=0 out.ts | head -n 1 | tr -d ,)" = tt ]
}

@test "--bitrate, --crf, --preset, --codec and -o reach the encoder" {
  make_clip in.ts 2
  trickle-decode in.ts >frames.nut
  trickle-encode --bitrate 300k <frames.nut >small.ts
  trickle-encode --bitrate 3M <frames.nut >large.ts
  [ "$(stat -c %s large.ts)" -gt $((2 * $(stat -c %s small.ts))) ]
  trickle-encode --codec mpeg2video <frames.nut >mpeg2.ts
  [ "$(ffprobe -v error -select_streams v -show_entries stream=codec_name -of csv=p=0 mpeg2.ts | head -n 1 | tr -d ,)" = mpeg2video ]
  trickle-encode -o profile=baseline <frames.nut >baseline.ts
  [[ $(ffprobe -v error -select_streams v -show_entries stream=profile -of csv=p=0 baseline.ts) == *Baseline* ]]
}

@test "wrong encoders and options are exit code 2 and a sentence" {
  make_clip in.ts 1
  trickle-decode in.ts >frames.nut
  run -2 --separate-stderr trickle-encode --codec nonsense frames.nut
  [[ $stderr == *nonsense* ]]
  run -2 --separate-stderr trickle-encode --codec libvpx frames.nut
  [[ $stderr == *vp8* ]]
  run -2 --separate-stderr trickle-encode -o no_such_key=1 frames.nut
  [[ $stderr == *no_such_key* ]]
  run -2 trickle-encode --gop 0 frames.nut
  run -2 trickle-encode -o novalue frames.nut
}

@test "an empty input is exit code 0 and a warning, nonsense is exit code 6" {
  run -0 --separate-stderr trickle-encode /dev/null
  [[ $stderr == *'the input is empty'* ]]
  head -c 5000 /dev/urandom >noise
  run -6 trickle-encode noise
}

@test "frames written by ffmpeg are read as well" {
  ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x240:r=30:d=2 -c:v rawvideo -pix_fmt rgb24 -f nut - |
    trickle-encode >out.ts
  [ "$(count_frames out.ts)" -eq 60 ]
}

@test "--keep-size scales frames of another size to that of the first" {
  make_clip one.ts 1 320x240
  make_clip two.ts 1 640x360 30 -output_ts_offset 1
  widths() { ffprobe -v error -select_streams v -show_entries frame=width -of csv=p=0 "$1" | tr -d , | grep . | sort -u | paste -sd ' ' -; }
  cat one.ts two.ts | trickle-decode | trickle-encode >follows.ts
  [ "$(widths follows.ts)" = '320 640' ]
  cat one.ts two.ts | trickle-decode | trickle-encode --keep-size >kept.ts
  [ "$(widths kept.ts)" = 320 ]
}

@test "--timeline: what is encoded later goes on behind what was encoded before" {
  make_clip clip.ts 2
  trickle-decode clip.ts >clip.nut
  for run in 1 2 3; do
    trickle-encode --timeline line clip.nut >"$run.ts" 2>"$run.log"
  done
  cat 1.ts 2.ts 3.ts >all.ts
  for kind in v a; do
    ffprobe -v error -select_streams "$kind:0" -show_entries packet=pts -of csv=p=0 all.ts | tr -d ', ' | grep . >pts
    [ "$(wc -l <pts)" -gt 100 ]
    sort -n -u pts | cmp - pts
  done
  [ "$(count_frames all.ts)" = 180 ]
  grep -q 'go on rising' 2.log
  run trickle-encode --timeline fd:99 clip.nut
  [ "$status" -eq 2 ]
  run trickle-encode --timeline /no/such/file clip.nut
  [ "$status" -eq 1 ]
}

@test "samples above what their format's bits can say are taken for the greatest, and kill no encoder" {
  for format in yuv420p10le yuv422p10le yuv444p10le; do
    head -c 300000 /dev/urandom | ffmpeg -nostdin -v error -y -f rawvideo -s 64x48 -pix_fmt $format -r 10 -i - -frames:v 10 \
      -c:v rawvideo -f nut -syncpoints timestamped -strict -2 noise.nut
    trickle-encode --preset ultrafast noise.nut >out.ts
    [ "$(count_frames out.ts)" -eq 10 ]
  done
}

@test "pictures too small for the encoder's format are exit code 6 and a sentence" {
  head -c 30 /dev/zero | ffmpeg -nostdin -v error -y -f rawvideo -s 1x1 -pix_fmt rgb24 -r 10 -i - -c:v rawvideo -f nut tiny.nut
  run -6 --separate-stderr trickle-encode tiny.nut
  [[ $stderr == *'pictures of 1x1 are too small to be encoded as yuv420p'* ]]
}
