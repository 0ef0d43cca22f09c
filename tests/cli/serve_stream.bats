#!/usr/bin/env bats
# trickle-serve with the real programs: a stream that is started, steered, hurt and stopped.
# shellcheck disable=SC2016,SC2030,SC2031 # $ belongs to the scripts; bats runs each test in a subshell.

load helpers

setup() {
  common_setup
  make_clip clip.ts 20 320x240 25
}

teardown() { common_teardown; }

# start_serve [OPTIONS]: a daemon with a relay inside; sets WORKER and RELAY. The App has none: one beside it.
start_serve() {
  if [ "${TRICKLE_TEST_WORKER:-serve}" = app ]; then
    start_relay
    start_worker "$@"
    return
  fi
  background trickle-serve --listen 127.0.0.1:0 --port-file serve.port --relay 127.0.0.1:0 \
    --relay-port-file relay.port "$@" 2>serve.log
  SERVE_PID=$LAST
  wait_until 10 test -s serve.port
  WORKER=http://127.0.0.1:$(cat serve.port)
  RELAY=http://127.0.0.1:$(cat relay.port)
}

# publish_clip [FFMPEG INPUT OPTIONS]: the clip as channel `in`, in real time.
publish_clip() {
  background bash -c "exec 3>&-; ffmpeg -nostdin -v error -re $* -i clip.ts -c copy -muxdelay 0 -f mpegts - |
    trickle-pub $RELAY/in 2>pub.log"
  wait_until 10 curl -sf "$RELAY/in/next"
}

# post PATH BODY: fails with the answer unless it is 200.
post() { curl -sS --fail-with-body -H 'Content-Type: application/json' --data "$2" "$WORKER$1" || return 1; }
start_stream() {
  post /api/stream/start "{\"subscribe_url\": \"$RELAY/in\", \"publish_url\": \"$RELAY/out\", $1}"
}
status() { curl -sS "$WORKER/api/stream/status"; }
next_of() { curl -sf "$RELAY/$1/next"; }
frames_out_above() { [ "$(status | jq '.streams[0].frames_out')" -gt "$1" ]; }

# video_times FILE: the time stamp of each video packet.
video_times() {
  ffprobe -v error -select_streams v:0 -show_entries packet=pts -of csv=p=0 "$1" | tr -d ',' | grep -v '^$'
}

@test "the README's start gives tinted frames of the size that was asked for, and the stop closes the channel" {
  start_serve
  publish_clip
  background bash -c "exec 3>&-; trickle-sub --wait=10 --start oldest $RELAY/out >out.ts 2>sub.log"
  reader=$LAST
  post /api/stream/start '{"subscribe_url": "'"$RELAY"'/in", "publish_url": "'"$RELAY"'/out",
    "params": {"effect": "red_tint", "intensity": 0.3, "width": 704, "height": 384}}'
  wait_until 20 frames_out_above 50
  post /api/stream/params '{"effect": "color_shift", "color_shift": [-1, -1, 1]}'
  before=$(status | jq '.streams[0].frames_out')
  wait_until 20 frames_out_above $((before + 50))
  [ "$(status | jq '.fps.egress_video_fps > 10 and .fps.ingress_video_fps > 10')" = true ]
  post /api/stream/stop ''
  wait "$reader"
  [ "$(ffprobe -v error -select_streams v:0 -show_entries stream=width,height -of csv=p=0 out.ts | head -n 1)" = 704,384 ]
  [ "$(ffprobe -v error -select_streams a:0 -show_entries stream=codec_name -of csv=p=0 out.ts | head -n 1)" = opus ]
  # Red first; the second effect makes every pixel pure blue, which the test picture never is.
  ffmpeg -nostdin -v error -i out.ts -vf 'scale=1:1:flags=area,format=rgb24' -f rawvideo - | od -An -v -tu1 -w3 >means
  echo "first frame: $(head -n 1 means), last: $(tail -n 1 means)"
  read -r r g b < <(head -n 1 means)
  ((r > g + 30 && r > b + 30))
  read -r r g b < <(tail -n 1 means)
  ((r < 8 && g < 8 && b > 247))
}

# survive PROGRAM…: kills each in turn; output goes on in the same channel with the next number.
survive() {
  of_programs
  start_serve
  publish_clip -stream_loop 2
  start_stream '"params": {"effect": "invert"}'
  background trickle-sub --wait=10 --start 0 --dir got "$RELAY/out" 2>sub.log
  reader=$LAST
  local program pid frames
  for program in "$@"; do
    frames=$(status | jq '.streams[0].frames_out')
    wait_until 20 frames_out_above $((frames + 25))
    pid=$(status | jq --arg name "$program" '.streams[0].processes[] | select(.name == $name).pid')
    number=$(next_of out)
    kill -KILL "$pid"
    restarted() { [ "$(status | jq '.streams[0].restarts')" -gt "$1" ]; }
    wait_until 20 restarted "$(($(grep -c 'restarting the chain' serve.log || true) - 1))"
    went_on() { [ "$(next_of out)" -gt "$((number + 1))" ]; }
    wait_until 20 went_on
  done
  [ "$(status | jq '.streams[0].restarts')" = $# ]
  [ "$(status | jq -r '.streams[0].last_error')" = "${*: -1} was killed by signal 9 (Killed)" ]
  post /api/stream/stop ''
  wait "$reader"
  # Numbers without a gap from 0, and time that never goes back.
  find got -name '*.ts' -size +0 | sed 's|.*/||; s|\.ts||' | sort -n >numbers
  seq 0 "$(tail -n 1 numbers)" | diff - numbers
  sed 's|.*|got/&.ts|' numbers | xargs cat >out.ts
  video_times out.ts >times
  [ "$(wc -l <times)" -gt 50 ]
  sort -n -c times
}

@test "trickle-sub, trickle-decode and trickle-fx may be killed: output goes on with the next number" {
  survive trickle-sub trickle-decode trickle-fx
}

@test "trickle-encode and trickle-pub may be killed: output goes on with the next number" {
  survive trickle-encode trickle-pub
}

@test "a source that goes back while the chain is restarted: the output's time stamps go on rising" {
  of_programs
  start_serve
  mkfifo feed
  background bash -c "exec 3>&-; trickle-pub $RELAY/in <feed 2>pub.log"
  exec 8>feed
  background bash -c "exec 3>&- 8>&-; trickle-sub --wait=20 --start 0 $RELAY/out >out.ts 2>sub.log"
  reader=$LAST
  ffmpeg -nostdin -v error -i clip.ts -t 4 -c copy -muxdelay 0 -f mpegts part.ts
  cat part.ts >&8
  wait_until 10 curl -sf "$RELAY/in/next"
  start_stream '"params": {"gop_seconds": 1}'
  wait_until 20 frames_out_above 10
  kill -KILL "$(status | jq '.streams[0].processes[] | select(.name == "trickle-decode").pid')"
  restarted() { [ "$(status | jq '.streams[0].restarts')" = 1 ]; }
  wait_until 20 restarted
  before=$(status | jq '.streams[0].frames_out')
  # The new chain joins at a segment that is yet to come.
  more_comes_out() {
    cat part.ts >&8
    sleep 0.3
    frames_out_above $((before + 50))
  }
  wait_until 20 more_comes_out
  grep -q 'trickle-encode: timestamps lie before those of the run before' serve.log
  post /api/stream/stop '{}'
  exec 8>&-
  wait "$reader"
  video_times out.ts >times
  [ "$(wc -l <times)" -gt 60 ]
  sort -n -u times | cmp - times
}

@test "when the input ends the rest drains, the output channel is closed and the worker is idle" {
  make_clip clip.ts 3 320x240 25
  start_serve
  publish_clip
  background bash -c "exec 3>&-; trickle-sub --wait=10 --start oldest $RELAY/out >out.ts 2>sub.log"
  reader=$LAST
  start_stream '"gateway_request_id": "a"'
  wait "$reader"
  idle() { [ "$(curl -sS "$WORKER/health" | jq -r .status)" = IDLE ]; }
  wait_until 10 idle
  [ "$(curl -sS "$WORKER/api/streams/a" | jq -r '[.state, .last_error, .restarts] | join("|")')" = 'OFFLINE||0' ]
  # From the segment that was current at the start on, not a frame is missing.
  [ "$(count_frames out.ts)" = "$(curl -sS "$WORKER/api/streams/a" | jq .frames_in)" ]
}

@test "an input that does not come within --start-timeout ends the stream with an error that says so" {
  start_serve --start-timeout 2s
  background bash -c "exec 3>&-; trickle-sub --lines --wait=10 --start 0 $RELAY/events >events.json 2>sub.log"
  reader=$LAST
  start_stream "\"gateway_request_id\": \"a\", \"events_url\": \"$RELAY/events\""
  wait "$reader"
  [ "$(jq -r .event.type events.json | paste -sd ' ')" = 'stream_started error stream_stopped' ]
  [[ $(jq -r 'select(.event.type == "error").event.message' events.json) =~ 'exit code 3'|'there is no channel' ]]
  [ "$(curl -sS "$WORKER/api/streams/a" | jq -r .state)" = ERROR ]
  [ "$(curl -sS "$WORKER/health" | jq -r .status)" = IDLE ]
}

@test "an input that comes late, but within --start-timeout, is waited for" {
  start_serve --start-timeout 20s
  start_stream '"gateway_request_id": "a"'
  publish_clip
  wait_until 20 frames_out_above 10
  post /api/stream/stop ''
}

@test "events tell what happened in order, and the control channel steers the stream" {
  start_serve
  publish_clip
  background bash -c "exec 3>&-; trickle-sub --lines --wait=10 --start 0 $RELAY/events >events.json 2>sub.log"
  reader=$LAST
  start_stream "\"events_url\": \"$RELAY/events\", \"control_url\": \"$RELAY/control\""
  wait_until 20 frames_out_above 10
  printf '%s\n' '{"keep": "alive"}' '{"effect": "red_tint"}' 'junk' '{"intensity": 9}' '{"intensity": 0.1}' |
    trickle-pub --split line --content-type application/json --keep-channel "$RELAY/control" 2>control.log
  has_params() { [ "$(status | jq -c '.streams[0].effect')" = '{"effect":"red_tint","intensity":0.1}' ]; }
  wait_until 20 has_params
  post /api/stream/stop ''
  wait "$reader"
  jq -r '.event.type' events.json >types
  [ "$(head -n 1 types)" = stream_started ]
  [ "$(tail -n 1 types)" = stream_stopped ]
  grep -q receive_first_ingest_segment types
  grep -q send_first_processed_segment types
  [ "$(jq -c 'select(.event.type == "params_updated").event.params' events.json | paste -sd ' ')" = \
    '{"effect":"red_tint"} {"intensity":0.1}' ]
  [ "$(grep -c '^error$' types)" = 2 ]
  [ "$(jq -r '.queue_event_type' events.json | sort -u)" = ai_stream_events ]
}

@test "a plugin that crashes takes its filter down: restarted while that helps, and no other stream notices" {
  of_programs
  ulimit -c 0
  start_serve --capacity 3 --model-dir "$ROOT/build/release/tests/plugins"
  publish_clip -stream_loop 2
  # start_as NAME PARAMS: the stream NAME from `in` to a channel of its name.
  start_as() {
    post /api/stream/start "{\"subscribe_url\": \"$RELAY/in\", \"publish_url\": \"$RELAY/$1\",
      \"events_url\": \"$RELAY/$1-events\", \"gateway_request_id\": \"$1\", \"params\": {$2}}"
  }
  about() { curl -sS "$WORKER/api/streams/$1" | jq -r "$2"; }
  start_as well '"effect": "red_tint"'
  start_as once '"effect": "plugin", "path": "example.so", "mode": "crash_on_7", "once": "'"$WORK/crashed"'"'
  start_as always '"effect": "plugin", "path": "example.so", "mode": "crash_on_7"'
  background bash -c "exec 3>&-; trickle-sub --lines --wait=20 --start 0 $RELAY/always-events >events.json 2>sub.log"
  reader=$LAST
  # Each time a crash is followed by the next: three restarts, and then this stream has had its chances.
  wait "$reader"
  [ "$(about always '[.state, .restarts] | join(" ")')" = 'ERROR 3' ]
  [[ $(about always .last_error) == 'trickle-fx was killed by signal 11 (Segmentation fault)'*'3 restarts in 120 s are used up'* ]]
  [ "$(jq -r 'select(.event.type == "restart" or .event.type == "error").event.type' events.json | paste -sd ' ')" = \
    'restart restart restart error' ]
  [ "$(tail -n 1 events.json | jq -r .event.type)" = stream_stopped ]
  # One that crashed once goes on in the same channel, and the daemon as well as the third stream all the while.
  [ -e crashed ]
  frames() { about "$1" .frames_out; }
  before=$(frames once) number=$(next_of once)
  goes_on() { (($(frames once) > before + 25 && $(next_of once) > number)); }
  wait_until 20 goes_on
  [ "$(about once '[.state, .restarts, .last_error] | join("|")')" = 'ONLINE|1|trickle-fx was killed by signal 11 (Segmentation fault)' ]
  [ "$(about well '[.state, .restarts, .last_error] | join("|")')" = 'ONLINE|0|' ]
  kill -0 "$SERVE_PID"
}

@test "a dead events channel costs the video nothing" {
  start_serve
  publish_clip
  start_stream '"events_url": "http://127.0.0.1:9/events", "control_url": "http://127.0.0.1:9/control", "data_url": "http://127.0.0.1:9/data"'
  wait_until 20 frames_out_above 50
  [ "$(status | jq '.streams[0].restarts')" = 0 ]
  post /api/stream/stop ''
}

@test "a stop and a start on the same URLs: a reader that waits hears the new stream" {
  start_serve
  publish_clip
  for _ in 1 2; do
    background bash -c "exec 3>&-; trickle-sub --wait=20 --start current $RELAY/out >out.ts 2>sub.log"
    reader=$LAST
    start_stream '"params": {}'
    wait_until 20 frames_out_above 30
    post /api/stream/stop ''
    wait "$reader"
    [ "$(count_frames out.ts)" -ge 25 ]
  done
}
