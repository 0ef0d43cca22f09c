#!/usr/bin/env bats
# trickle-serve's HTTP API, rule by rule. Small scripts stand in for the programs of the chain, so that nothing but
# shellcheck disable=SC2016,SC2030,SC2031 # $ belongs to the scripts; bats runs each test in a subshell.
# the daemon is tested here; tests/cli/serve_stream.bats runs the real ones.

load helpers
load serve_helpers

setup() {
  common_setup
  fake_programs
}

teardown() { common_teardown; }

@test "--help is the golden one" {
  run trickle-serve --help
  [ "$status" -eq 0 ]
  if [ -n "${UPDATE_GOLDEN:-}" ]; then echo "$output" >"$ROOT/tests/cli/golden/trickle-serve.help"; fi
  diff "$ROOT/tests/cli/golden/trickle-serve.help" <(echo "$output")
}

@test "start, status, params and stop answer as documented" {
  start_serve
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"abc\"}"
  [ "$code" = 200 ]
  [ "$(field '[.status, .message, .request_id, .current_state.status, .current_state.active_streams] | join("|")')" = \
    'success|Stream started successfully|abc|OK|1' ]
  [ "$(field '.current_state | keys_unsorted | join(" ")')" = \
    'status state error_message pipeline_ready active_streams startup_complete pipeline_state additional_info' ]
  call GET /api/stream/status
  [ "$code" = 200 ]
  [ "$(field '[.client_active, .client_running, .stream_count, .current_params.gateway_request_id] | join("|")')" = \
    'true|true|1|abc' ]
  [ "$(field '.fps | keys_unsorted | join(" ")')" = \
    'ingress_video_fps ingress_audio_fps egress_video_fps egress_audio_fps' ]
  [ "$(field '.streams[0].processes | length')" = 5 ]
  [ "$(field '[.streams[0].processes[].rss_bytes] | min > 0')" = true ]
  call POST /api/stream/params '{"effect": "blue_tint", "intensity": 0.5}'
  [ "$code" = 200 ]
  [ "$(field '[.status, .message] | join("|")')" = 'success|Parameters updated successfully' ]
  call POST /api/stream/stop ''
  [ "$code" = 200 ]
  [ "$(field '[.status, .message] | join("|")')" = 'success|Stream stopped successfully' ]
  call POST /api/stream/stop ''
  [ "$code" = 400 ]
  [ "$(field .status)" = error ]
  call POST /api/stream/params '{}'
  [ "$code" = 400 ]
  call GET /api/stream/status
  [ "$(field '[.status, .client_active, .stream_count] | join("|")')" = 'IDLE|false|0' ]
}

@test "both prefixes and the alias are served" {
  start_serve
  for start in /stream/start /api/stream/start /live-video-to-video; do
    call POST $start "{$BODY}"
    [ "$code" = 200 ]
    call GET /stream/status
    [ "$(field .client_active)" = true ]
    call POST /stream/params '{"max_framerate": 10}'
    [ "$code" = 200 ]
    call POST /stream/stop
    [ "$code" = 200 ]
  done
}

@test "a malformed start answers 400 and touches nothing that runs" {
  start_serve --capacity 2
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a\"}"
  [ "$code" = 200 ]
  before=$(pids)
  for bad in '' '{' '[]' '7' '{}' '{"subscribe_url": 7}' "{$BODY, \"params\": 7}" "{$BODY, \"params\": {\"width\": 704}}" \
    "{$BODY, \"params\": {\"effect\": \"sparkle\"}}" "{$BODY, \"params\": {\"max_framerate\": 61}}" \
    "{$BODY, \"gateway_request_id\": 7}" '{"subscribe_url": "ftp://h/in"}'; do
    call POST /api/stream/start "$bad"
    [ "$code" = 400 ]
    [ "$(field '[.status, .current_state.active_streams] | join("|")')" = 'error|1' ]
    [ -n "$(field '.message // empty')" ]
  done
  [ "$(pids)" = "$before" ]
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"b\"}"
  [ "$code" = 200 ]
}

@test "a body that is nested too deeply is answered 400, wherever it is, and the daemon lives" {
  start_serve --capacity 2
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a\"}"
  [ "$code" = 200 ]
  nested() { printf '%s' "$1"; head -c 300000 /dev/zero | tr '\0' '['; head -c 300000 /dev/zero | tr '\0' ']'; printf '%s' "$2"; }
  nested "{$BODY, \"params\": " '}' >params.json
  nested "{$BODY, \"params\": {\"x\": " '}}' >param.json
  nested '{"intensity": ' '}' >update.json
  for file in params.json param.json; do
    call POST /api/stream/start @$file
    [ "$code" = 400 ]
    [[ $(field .message) == *nested* ]]
  done
  call POST /api/stream/params @update.json
  [ "$code" = 400 ]
  call PATCH /api/streams/a/params @update.json
  [ "$code" = 400 ]
  call POST '/api/stream/stop?stream_id=a' @update.json
  [ "$code" = 200 ]
}

@test "errors name the field and what is allowed" {
  start_serve
  call POST /api/stream/start "{$BODY, \"params\": {\"effect\": \"red_tint\", \"intensity\": 2}}"
  [[ $(field .message) == *intensity*'from -1 to 1'* ]]
  call POST /api/stream/start "{$BODY, \"params\": {\"max_framerate\": \"x\"}}"
  [ "$(field .message)" = 'max_framerate must be an integer from 1 to 60' ]
}

@test "409 for an id in use, 503 when every slot is taken" {
  start_serve --capacity 2
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a\"}"
  [ "$code" = 200 ]
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a\"}"
  [ "$code" = 409 ]
  call POST /api/stream/start "{$BODY}" -H 'X-Stream-Id: b'
  [ "$code" = 200 ]
  [ "$(field .request_id)" = b ]
  call GET /readyz
  [ "$code" = 503 ]
  call POST /api/stream/start "{$BODY}"
  [ "$code" = 503 ]
  [ "$(field .message)" = 'Pipeline is still in use' ]
  call GET /health
  [ "$(field .status)" = OK ]
}

@test "415 for a body that is not JSON, 413 for one above 10 MB, no Content-Type is JSON" {
  start_serve
  code=$(curl -sS -o /dev/null -w '%{http_code}' -H 'Content-Type: text/plain' --data "{$BODY}" "$WORKER/api/stream/start")
  [ "$code" = 415 ]
  code=$(curl -sS -o /dev/null -w '%{http_code}' -H 'Content-Type: text/plain' --data '{}' "$WORKER/api/stream/params")
  [ "$code" = 415 ]
  head -c 10000001 /dev/zero | tr '\0' ' ' >large
  code=$(curl -sS -o /dev/null -w '%{http_code}' -H 'Content-Type: application/json' --data-binary @large "$WORKER/api/stream/start")
  [ "$code" = 413 ]
  code=$(curl -sS -o /dev/null -w '%{http_code}' -H 'Content-Type:' --data "{$BODY}" "$WORKER/api/stream/start")
  [ "$code" = 200 ]
}

@test "of two simultaneous starts for one slot exactly one wins" {
  start_serve --capacity 1
  for _ in 1 2 3 4 5; do
    curl -sS -o /dev/null -w '%{http_code}\n' -H 'Content-Type: application/json' --parallel --parallel-immediate \
      --data "{$BODY}" "$WORKER/api/stream/start" --next -sS -o /dev/null -w '%{http_code}\n' \
      -H 'Content-Type: application/json' --data "{$BODY}" "$WORKER/stream/start" | sort >codes
    [ "$(paste -sd ' ' codes)" = '200 503' ]
    call GET /health
    [ "$(field .status)" = OK ]
    call POST /api/stream/stop
    [ "$code" = 200 ]
  done
  call GET /health
  [ "$(field .status)" = IDLE ]
}

@test "an update reaches the running trickle-fx whole or not at all, and a refused one poisons nothing" {
  start_serve
  call POST /api/stream/start "{$BODY, \"params\": {\"effect\": \"red_tint\", \"intensity\": 0.3}}"
  before=$(pids)
  call POST /api/stream/params '{"intensity": 0.5, "max_framerate": 99}'
  [ "$code" = 400 ]
  call POST /api/stream/params '{"width": 704}'
  [ "$code" = 400 ]
  call POST /api/stream/params '{"effect": "sparkle"}'
  [ "$code" = 400 ]
  call POST /api/stream/params '{"intensity": 0.7}'
  [ "$code" = 200 ]
  wait_until 10 test -s control.log
  [ "$(jq -c . control.log)" = '{"effect":"red_tint","intensity":0.7}' ]
  for i in 1 2 3 4 5 6 7 8 9; do call POST /api/stream/params "{\"intensity\": -0.$i}"; done
  wait_until 10 grep -q -- '-0.9' control.log
  [ "$(pids)" = "$before" ]
}

@test "where several streams run, one must be named, by header, query or body" {
  start_serve --capacity 3
  for id in a b c; do call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"$id\"}"; done
  for path in /api/stream/params /api/stream/stop; do
    call POST $path '{}'
    [ "$code" = 400 ]
    [[ $(field .message) == *'a, b, c' ]]
  done
  call GET /api/stream/status
  [ "$code" = 400 ]
  call GET '/api/stream/status?stream_id=b'
  [ "$(field .current_params.gateway_request_id)" = b ]
  call POST /api/stream/params '{"gateway_request_id": "c", "max_framerate": 5}'
  [ "$code" = 200 ]
  call POST /api/stream/stop '' -H 'X-Stream-Id: a'
  [ "$code" = 200 ]
  call POST '/api/stream/stop?stream_id=zzz' ''
  [ "$code" = 400 ]
  call GET /api/streams
  [ "$(field '[.streams[].id] | join(" ")')" = 'b c' ]
  [ "$(field '[.ended[].id] | join(" ")')" = a ]
}

@test "streams can be read, changed and deleted one by one" {
  start_serve
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a/b\"}"
  call GET /api/streams/a%2Fb
  [ "$(field .id)" = a/b ]
  call PATCH /api/streams/a%2Fb/params '{"effect": "invert"}'
  [ "$code" = 200 ]
  call PATCH /api/streams/nope/params '{"effect": "invert"}'
  [ "$code" = 404 ]
  call DELETE /api/streams/a%2Fb
  [ "$code" = 200 ]
  call DELETE /api/streams/a%2Fb
  [ "$code" = 404 ]
  call GET /api/streams/a%2Fb
  [ "$(field .state)" = OFFLINE ]
}

@test "stop takes any body of any type" {
  start_serve
  for type in text/plain application/octet-stream application/json; do
    call POST /api/stream/start "{$BODY}"
    code=$(printf '\000\377{' | curl -sS -o /dev/null -w '%{http_code}' -H "Content-Type: $type" --data-binary @- "$WORKER/stream/stop")
    [ "$code" = 200 ]
  done
}

@test "health, versions, hardware, effects and the description answer at any time" {
  start_serve --pipeline p --model-id m --app-version 7.8
  call GET /health
  [ "$body" = '{"status":"IDLE"}' ]
  call GET /version
  [ "$(field '[.pipeline, .model_id, .version] | join("|")')" = "p|m|$(trickle-serve --version | cut -d' ' -f2)" ]
  call GET /app-version
  [ "$body" = '{"version":"7.8"}' ]
  call GET /hardware/info
  [ "$(field '.gpu_info | type')" = object ]
  call GET /hardware/stats
  [ "$(field '.gpu_stats | type')" = object ]
  call GET /api/effects
  [ "$(field '[.effects[].name] | index("red_tint") != null')" = true ]
  call GET /openapi.json
  [ "$(field '.paths | has("/api/stream/start")')" = true ]
  call GET /metrics
  [[ $body == *'trickle_streams 0'* ]]
  call GET /livez
  [ "$code" = 200 ]
  call GET /readyz
  [ "$code" = 200 ]
  call GET /
  [[ $body == *'POST /api/stream/start'* ]]
}

@test "unknown paths answer 404, wrong methods 405 with Allow" {
  start_serve
  call GET /nowhere
  [ "$code" = 404 ]
  call GET /api/stream/start
  [ "$code" = 405 ]
  [ "$(curl -sS -D - -o /dev/null "$WORKER/api/stream/start" | tr -d '\r' | sed -n 's/^Allow: //p')" = POST ]
  [ "$(curl -sS -I -o /dev/null -w '%{http_code}' "$WORKER/health")" = 200 ]
}

@test "with --auth-token-file everything but health needs a token" {
  printf '# the workers\nsesame\n' >tokens
  start_serve --auth-token-file tokens
  call GET /health
  [ "$code" = 200 ]
  call GET /readyz
  [ "$code" = 200 ]
  call GET /version
  [ "$code" = 401 ]
  call POST /api/stream/start "{$BODY}" -H 'Authorization: Bearer sesam'
  [ "$code" = 403 ]
  call POST /api/stream/start "{$BODY}" -H 'Authorization: Bearer sesame'
  [ "$code" = 200 ]
}

@test "--allow-url limits which servers a request may name" {
  start_serve --allow-url http://127.0.0.1:9/ --allow-url https://example.org/
  call POST /api/stream/start '{"subscribe_url": "http://169.254.169.254/latest"}'
  [ "$code" = 400 ]
  call POST /api/stream/start "{$BODY, \"events_url\": \"http://other/ev\"}"
  [ "$code" = 400 ]
  call POST /api/stream/start "{$BODY}"
  [ "$code" = 200 ]
}

@test "a stream that fails for good leaves the worker idle and the next start good" {
  fake trickle-pub 'echo "{\"level\":\"error\",\"message\":\"refused by the server\"}" >&2; exit 4'
  start_serve
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a\"}"
  [ "$code" = 200 ]
  is_idle() { call GET /health && [ "$(field .status)" = IDLE ]; }
  wait_until 10 is_idle
  call GET /api/streams/a
  [ "$(field .state)" = ERROR ]
  [ "$(field .last_error)" = 'trickle-pub ended with exit code 4: refused by the server' ]
  fake trickle-pub 'cat >/dev/null'
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a\"}"
  [ "$code" = 200 ]
}

@test "no URL and no token stands on a command line that ps shows" {
  echo sesame >token
  start_serve --token-file token
  call POST /api/stream/start "{$BODY, \"events_url\": \"http://127.0.0.1:9/events\"}"
  pids | jq -r '.[]' >pids.txt
  [ "$(wc -l <pids.txt)" = 5 ]
  while read -r pid; do tr '\0' ' ' <"/proc/$pid/cmdline"; done <pids.txt >commands
  grep -q trickle-pub commands
  run ! grep -E 'http|hidden|sesame' commands
}

@test "SIGTERM ends every stream and then the daemon, with exit code 0" {
  start_serve --capacity 2
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a\"}"
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"b\"}"
  pids | jq -r '.[]' >pids.txt
  kill -TERM "$SERVE_PID"
  wait "$SERVE_PID"
  while read -r pid; do run ! kill -0 "$pid"; done <pids.txt
}

@test "a daemon that is killed takes its children with it" {
  start_serve
  call POST /api/stream/start "{$BODY}"
  pids | jq -r '.[]' >pids.txt
  [ "$(wc -l <pids.txt)" = 5 ]
  kill -KILL "$SERVE_PID"
  none_left() {
    local pid
    while read -r pid; do
      # Nobody may be there to reap an orphan: a zombie counts as gone.
      if grep -q '^State:[[:space:]]*[^Z[:space:]]' "/proc/$pid/status"; then return 1; fi
    done <pids.txt
  }
  wait_until 10 none_left
}

@test "a missing program is told at once" {
  rm fake/trickle-encode
  run -3 --separate-stderr trickle-serve --listen 127.0.0.1:0 --programs fake
  [[ $stderr == *trickle-encode* ]]
}

@test "a bad option is a usage error" {
  run -2 trickle-serve --listen nowhere
  run -2 trickle-serve --capacity 0
  run -2 trickle-serve --auth-token-file /nowhere
}
