#!/usr/bin/env bats
# What is known to go wrong in other workers, each with the real programs: here it must not.
# TRICKLE_TEST_PAUSE is how long an input pauses, in seconds (45 shows what a timeout of 30 would do), TRICKLE_TEST_OUTAGE
# how long a relay is gone (25 is longer than a connection is tried again: the chain is restarted).
# shellcheck disable=SC2016,SC2030,SC2031 # $ belongs to the scripts; bats runs each test in a subshell.

load helpers

setup() {
  common_setup
  make_clip clip.ts 12 320x240 25
}

teardown() { common_teardown; }

post() { curl -sS --fail-with-body -H 'Content-Type: application/json' --data "$2" "$WORKER$1" || return 1; }
start_stream() {
  post /api/stream/start "{\"subscribe_url\": \"$RELAY/in\", \"publish_url\": \"$RELAY/out\", $1}"
}
status() { curl -sS "$WORKER/api/stream/status"; }
stream() { status | jq -r ".streams[0]$1"; }
frames_out_above() { [ "$(stream .frames_out)" -gt "$1" ]; }
state_is() { [ "$(stream .state)" = "$1" ]; }
health_is() { [ "$(curl -sS "$WORKER/health" | jq -r .status)" = "$1" ]; }

# feed FIFO: publishes what is written to a FIFO as channel `in`; bytes come when the test writes them.
feed() {
  mkfifo feed
  background bash -c "exec 3>&-; trickle-pub --retry forever $RELAY/in <feed 2>pub.log"
  PUB=$LAST
  exec 8>feed
}

@test "an input that pauses in the middle of a segment comes back, and not a frame is lost" {
  start_relay
  start_worker
  feed
  background bash -c "exec 3>&- 8>&-; trickle-sub --wait=20 --start 0 $RELAY/out >out.ts 2>sub.log"
  reader=$LAST
  size=$(stat -c %s clip.ts)
  cut=$((size / 2 / 188 * 188))
  head -c $cut clip.ts >&8
  wait_until 20 curl -sf "$RELAY/in/next"
  start_stream '"gateway_request_id": "a"'
  wait_until 20 frames_out_above 20
  # No less than it takes to be sure that the input is silent.
  wait_until $((${TRICKLE_TEST_PAUSE:-0} + 30)) state_is DEGRADED_INPUT
  sleep "${TRICKLE_TEST_PAUSE:-0}"
  health_is OK
  before=$(stream .frames_out)
  tail -c +$((cut + 1)) clip.ts >&8
  wait_until 20 frames_out_above $((before + 20))
  [ "$(stream .restarts)" = 0 ]
  exec 8>&-
  wait "$reader"
  wait_until 20 health_is IDLE
  # All that was in the channel from the segment on that was current at the start.
  [ "$(count_frames out.ts)" = "$(curl -sS "$WORKER/api/streams/a" | jq .frames_in)" ]
}

@test "a relay that stands still for a while: output comes back, with the next number" {
  start_relay
  start_worker
  background bash -c "exec 3>&-; ffmpeg -nostdin -v error -re -stream_loop 5 -i clip.ts -c copy -muxdelay 0 -f mpegts - |
    trickle-pub --retry forever $RELAY/in 2>pub.log"
  wait_until 10 curl -sf "$RELAY/in/next"
  start_stream '"gateway_request_id": "a"'
  wait_until 20 frames_out_above 20
  kill -STOP "$RELAY_PID"
  sleep 5
  kill -CONT "$RELAY_PID"
  before=$(stream .frames_out)
  wait_until 30 frames_out_above $((before + 50))
  number=$(curl -sf "$RELAY/out/next")
  went_on() { [ "$(curl -sf "$RELAY/out/next")" -gt "$number" ]; }
  wait_until 30 went_on
  health_is OK
  post /api/stream/stop ''
  health_is IDLE
}

@test "a relay that is killed and comes back after 5 s: output comes back, and a new start is taken" {
  start_relay
  start_worker
  port=${RELAY##*:}
  background bash -c "exec 3>&-; ffmpeg -nostdin -v error -re -stream_loop 5 -i clip.ts -c copy -muxdelay 0 -f mpegts - |
    trickle-pub --retry forever $RELAY/in 2>pub.log"
  wait_until 10 curl -sf "$RELAY/in/next"
  start_stream '"gateway_request_id": "a"'
  wait_until 20 frames_out_above 20
  kill -KILL "$RELAY_PID"
  sleep "${TRICKLE_TEST_OUTAGE:-5}"
  background trickle-relay --listen "127.0.0.1:$port" 2>relay2.log
  wait_until 30 curl -sf "$RELAY/in/next"
  # The stream goes on; or it had ended with a reason, its slot is free, and the next start works.
  back() { [ "$(curl -sf "$RELAY/out/next" || echo 0)" -ge 2 ]; }
  if ! wait_until 25 back; then
    health_is IDLE
    [ -n "$(curl -sS "$WORKER/api/streams/a" | jq -r .last_error)" ]
    start_stream '"gateway_request_id": "b"'
    wait_until 20 back
  fi
  health_is OK
}

@test "a publish port that nobody serves is told in state and status, and in the end by an error" {
  start_relay
  start_worker --restart-limit 0
  background bash -c "exec 3>&-; ffmpeg -nostdin -v error -re -stream_loop 9 -i clip.ts -c copy -muxdelay 0 -f mpegts - |
    trickle-pub $RELAY/in 2>pub.log"
  wait_until 10 curl -sf "$RELAY/in/next"
  post /api/stream/start "{\"subscribe_url\": \"$RELAY/in\", \"publish_url\": \"http://127.0.0.1:9/out\", \"gateway_request_id\": \"a\"}"
  wait_until 20 state_is DEGRADED_INFERENCE
  [ "$(stream '.processes[] | select(.name == "trickle-pub").bytes_out')" = 0 ]
  wait_until 60 health_is IDLE
  [ "$(curl -sS "$WORKER/api/streams/a" | jq -r .state)" = ERROR ]
  [[ $(curl -sS "$WORKER/api/streams/a" | jq -r .last_error) =~ ^'trickle-pub ended with exit code 5'|'gave up after 20 s' ]]
}

@test "the first frame of the output is as sharp as the others" {
  start_relay
  start_worker
  feed
  background bash -c "exec 3>&- 8>&-; trickle-sub --wait=20 --start 0 $RELAY/out >out.ts 2>sub.log"
  reader=$LAST
  # All of it at once, so that the stream begins with the first segment.
  start_stream '"params": {"width": 160, "height": 120}, "gateway_request_id": "a"'
  head -c $((188 * 1000)) clip.ts >&8
  exec 8>&-
  wait "$reader"
  ffmpeg -nostdin -v error -i out.ts -i clip.ts -filter_complex \
    '[1:v]scale=160:120:flags=bicubic[ref];[0:v][ref]psnr=stats_file=psnr.log:shortest=1' -f null -
  first=$(sed -n '1s/.*psnr_y:\([0-9]*\).*/\1/p' psnr.log)
  worst=$(sed -n '2,10s/.*psnr_y:\([0-9]*\).*/\1/p' psnr.log | sort -n | head -n 1)
  echo "first $first dB, the others from $worst dB"
  ((first >= worst - 3))
}

@test "a stop comes to its end in time, also when no server answers anything any more" {
  start_relay
  start_worker
  background python3 -c 'import socket, time
server = socket.create_server(("127.0.0.1", 0), backlog=64)
print(server.getsockname()[1], flush=True)
connections = []
while True:
    connections.append(server.accept())' >silent.port
  wait_until 10 test -s silent.port
  silent=http://127.0.0.1:$(cat silent.port)
  feed
  cat clip.ts >&8
  wait_until 20 curl -sf "$RELAY/in/next"
  post /api/stream/start "{\"subscribe_url\": \"$RELAY/in\", \"publish_url\": \"$silent/out\", \"events_url\": \"$silent/events\", \"data_url\": \"$silent/data\", \"control_url\": \"$silent/control\"}"
  wait_until 20 frames_out_above 10
  before=$EPOCHREALTIME
  post /api/stream/stop '{}'
  # It takes 2 s; each server's own patience would be 5 s and more.
  took=$(((${EPOCHREALTIME/./} - ${before/./}) / 1000))
  echo "$took ms"
  ((took < 4500))
  health_is IDLE
}

@test "invalid parameters are answered 400 and leave the running stream as it was" {
  start_relay
  start_worker
  background bash -c "exec 3>&-; ffmpeg -nostdin -v error -re -stream_loop 5 -i clip.ts -c copy -muxdelay 0 -f mpegts - |
    trickle-pub $RELAY/in 2>pub.log"
  wait_until 10 curl -sf "$RELAY/in/next"
  start_stream '"params": {"effect": "invert"}'
  for bad in '{"width": 0, "height": 0}' '{"max_framerate": "x"}' '[]' '{' '{"effect": "none", "detect_out_resolution": 2}' \
    '{"effect": {"a": 1}}' '{"intensity": "much", "effect": "red_tint"}' '{"color_shift": [1, 2], "effect": "color_shift"}'; do
    [ "$(curl -sS -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' --data "$bad" "$WORKER/api/stream/params")" = 400 ]
  done
  wait_until 20 frames_out_above 30
  [ "$(stream .effect.effect)" = invert ]
  [ "$(stream .restarts)" = 0 ]
}

@test "a process that is stopped is replaced: output goes on in the same channel with the next number" {
  of_programs
  start_relay
  start_worker
  background bash -c "exec 3>&-; ffmpeg -nostdin -v error -re -stream_loop 9 -i clip.ts -c copy -muxdelay 0 -f mpegts - |
    trickle-pub $RELAY/in 2>pub.log"
  wait_until 10 curl -sf "$RELAY/in/next"
  start_stream '"gateway_request_id": "a"'
  background trickle-sub --wait=10 --start 0 --dir got "$RELAY/out" 2>sub.log
  reader=$LAST
  for program in trickle-encode trickle-sub; do
    before=$(stream .frames_out)
    wait_until 20 frames_out_above $((before + 30))
    restarts=$(stream .restarts)
    kill -STOP "$(stream ".processes[] | select(.name == \"$program\").pid")"
    replaced() { [ "$(stream .restarts)" -gt "$restarts" ]; }
    wait_until 20 replaced
    [ "$(stream .last_error)" = "$program was stopped" ]
  done
  before=$(stream .frames_out)
  wait_until 20 frames_out_above $((before + 30))
  post /api/stream/stop ''
  wait "$reader"
  find got -name '*.ts' -size +0 | sed 's|.*/||; s|\.ts||' | sort -n >numbers
  seq 0 "$(tail -n 1 numbers)" | diff - numbers
}

@test "chaos: processes killed and stopped, connections cut, and the stream lives" {
  of_programs
  run "$ROOT/scripts/chaos" --streams 1 --duration "${TRICKLE_TEST_CHAOS:-15}" --slack 8 --seed 7
  echo "$output"
  [ "$status" -eq 0 ]
}
