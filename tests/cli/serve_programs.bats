#!/usr/bin/env bats
# The programs that trickle-serve starts: their limits, those that it keeps ready, and that none is left behind.
# shellcheck disable=SC2016,SC2030,SC2031 # $ belongs to the scripts; bats runs each test in a subshell.

load helpers
load serve_helpers

setup() {
  common_setup
  fake_programs
}

teardown() { common_teardown; }

@test "--nice and --stream-memory reach the programs" {
  fake trickle-fx 'nice >"$FAKE_LOG.nice"; ulimit -d >"$FAKE_LOG.data"; cat'
  start_serve --nice 5 --stream-memory 512M
  call POST /api/stream/start "{$BODY}"
  wait_until 10 test -s control.log.data
  [ "$(cat control.log.nice)" = "$(($(nice) + 5 > 19 ? 19 : $(nice) + 5))" ]
  [ "$(cat control.log.data)" = 524288 ]
}

@test "a stream whose programs use more than --stream-memory together is restarted" {
  # Each of the two stays below the limit.
  for program in trickle-fx trickle-encode; do
    fake "$program" 'exec python3 -c "
import os, sys
held = bytearray(os.urandom(1)) * (60 << 20)
for line in sys.stdin: pass" '
  done
  fake trickle-decode 'while sleep 0.1; do echo "{}" >&"$STATS"; done'
  start_serve --stream-memory 100M --restart-limit 1
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a\"}"
  [ "$code" = 200 ]
  ended() { call GET /api/streams/a && [ "$(field .state)" = ERROR ]; }
  wait_until 30 ended
  [[ $(field .last_error) == 'the stream used '*', more than its '* ]]
}

@test "starts and stops leave no process, no zombie and no descriptor behind" {
  start_serve --capacity 4
  descriptors() { find "/proc/$SERVE_PID/fd" -mindepth 1 | wc -l; }
  children() { pgrep -P "$SERVE_PID" | wc -l; }
  call POST /api/stream/start "{$BODY}"
  call POST /api/stream/stop
  call GET /health
  before=$(descriptors)
  for ((i = 0; i < ${TRICKLE_TEST_STARTS:-25}; ++i)); do
    call POST /api/stream/start "{$BODY, \"events_url\": \"http://127.0.0.1:9/events\"}"
    [ "$code" = 200 ]
    call POST /api/stream/stop
    [ "$code" = 200 ]
  done
  clean() { [ "$(children)" = 0 ] && [ "$(descriptors)" -le "$((before + 1))" ]; }
  wait_until 10 clean
}

@test "--preload keeps a process ready, and a stream with exactly that effect takes it" {
  fake trickle-fx 'echo $$ >>"$FAKE_LOG.started"; until [ -e "$FAKE_LOG.loaded" ]; do sleep 0.02; done; echo ready >&"$READY"; cat'
  start_serve --preload red_tint:intensity=0.25 --capacity 2
  call GET /health
  [ "$(field .status)" = LOADING ]
  call GET /readyz
  [ "$code" = 503 ]
  call POST /api/stream/start "{$BODY}"
  [ "$code" = 503 ]
  touch control.log.loaded
  is_ready() { call GET /readyz && [ "$code" = 200 ]; }
  wait_until 10 is_ready
  call GET /health
  [ "$(field .status)" = IDLE ]
  warm=$(cat control.log.started)
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a\", \"params\": {\"effect\": \"red_tint\", \"intensity\": 0.5}}"
  fx_of() { curl -sS "$WORKER/api/streams/$1" | jq '.processes[] | select(.name == "trickle-fx").pid'; }
  [ "$(fx_of a)" != "$warm" ]
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"b\", \"params\": {\"effect\": \"red_tint\", \"intensity\": 0.25}}"
  [ "$(fx_of b)" = "$warm" ]
  # Another one takes its place; and a restart of the chain takes that.
  third() { [ "$(wc -l <control.log.started)" -ge 3 ]; }
  wait_until 10 third
  next=$(tail -n 1 control.log.started)
  kill -KILL "$warm"
  restarted() { [ "$(fx_of b)" = "$next" ]; }
  wait_until 10 restarted
}

@test "/health counts the filters that are kept ready, and those that are" {
  start_serve --warm 2
  call GET /health
  [ "$(field .status)" = IDLE ]
  [ "$(field .warm.kept)" = 2 ]
  fake trickle-fx 'echo ready >&"$READY"; exec cat'
  start_serve --warm 2
  wait_until 10 bash -c "[ \"\$(curl -sS $WORKER/health | jq .warm.ready)\" = 2 ]"
}

@test "--warm keeps programs ready for any effect that loads nothing: they are told what a stream wants" {
  # A stand-in that writes its number and its arguments down.
  for program in decode fx encode; do
    fake trickle-$program 'while read -r -u "${CONTROL:-0}" line; do echo "$line" >>"$FAKE_LOG.${0##*-}"; done >/dev/null & cat'
  done
  start_serve --warm 1 --capacity 3
  spares() { pgrep -P "$SERVE_PID" -f 'trickle-(decode|fx|encode)' | sort -n | paste -sd ' '; }
  has_three() { [ "$(spares | wc -w)" = 3 ]; }
  wait_until 10 has_three
  warm=$(spares)
  call POST /api/stream/start "{$BODY, \"params\": {\"effect\": \"red_tint\", \"intensity\": 0.25, \"width\": 64, \"height\": 48}}"
  [ "$code" = 200 ]
  taken() { curl -sS "$WORKER/api/streams" | jq -r '.streams[0].processes[] | select(.name | test("decode|fx|encode")).pid' | sort -n | paste -sd ' '; }
  [ "$(taken)" = "$warm" ]
  wait_until 10 grep -qx '{"effect":"red_tint","intensity":0.25}' control.log.fx
  wait_until 10 grep -qx '{"width":64,"height":48}' control.log.decode
  # Others take their place, and the next stream, which wants another encoder, takes two of them.
  next_ready() { [ "$(spares | wc -w)" = 6 ]; }
  wait_until 10 next_ready
  call POST /api/stream/stop
  wait_until 10 has_three
  warm=$(spares)
  call POST /api/stream/start "{$BODY, \"params\": {\"gop_seconds\": 1}}"
  fits() { [ "$(taken | tr ' ' '\n' | grep -cxF "$(tr ' ' '\n' <<<"$warm")")" = 2 ]; }
  fits
}

@test "an effect that can't be preloaded is told, and other streams are taken" {
  fake trickle-fx 'case $* in *) [ -e "$FAKE_LOG.works" ] || { echo "{\"level\":\"error\",\"message\":\"no such model\"}" >&2; exit 2; }; cat;; esac'
  start_serve --preload red_tint
  is_idle() { call GET /health && [ "$(field .status)" = IDLE ]; }
  wait_until 10 is_idle
  call GET /api/stream/status
  [ "$(field .error_message)" = 'trickle-fx ended with exit code 2: no such model' ]
  touch control.log.works
  call POST /api/stream/start "{$BODY}"
  [ "$code" = 200 ]
  run -2 timeout 60 trickle-serve --preload sparkle --programs fake
}
