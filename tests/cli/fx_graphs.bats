#!/usr/bin/env bats
# trickle-fx: effects that are graphs of FFmpeg's filters.

load fx_helpers

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
