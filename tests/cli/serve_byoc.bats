#!/usr/bin/env bats
# A session as a Livepeer orchestrator has it with a worker, replayed byte by byte: the requests are those that
# go-livepeer's byoc package (Go's HTTP client) puts on the wire.
# shellcheck disable=SC2016,SC2030,SC2031 # $ belongs to the scripts; bats runs each test in a subshell.

load helpers
load serve_helpers

setup() {
  common_setup
  fake_programs
  printf 'token-of-the-capability\n' >tokens
}

teardown() { common_teardown; }

# send FILE: puts the bytes of a request on a connection of its own; the answer goes to answer.txt.
send() {
  python3 - "${WORKER##*:}" "$1" >answer.txt <<'PY'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
s.sendall(open(sys.argv[2], "rb").read())
answer = b""
while b"\r\n\r\n" not in answer: answer += s.recv(65536)
head, _, body = answer.partition(b"\r\n\r\n")
length = int([l.split(b":")[1] for l in head.split(b"\r\n") if l.lower().startswith(b"content-length")][0])
while len(body) < length: body += s.recv(65536)
print(head.split(b" ")[1].decode(), body.decode())
PY
  read -r code body <answer.txt
}

# request PATH BODY [HEADER…]: as Go writes it.
request() {
  local path=$1 payload=$2 header
  shift 2
  {
    printf 'POST %s HTTP/1.1\r\nHost: worker:9876\r\nUser-Agent: Go-http-client/1.1\r\n' "$path"
    printf 'Content-Length: %s\r\nAuthorization: Bearer token-of-the-capability\r\n' "$(printf %s "$payload" | wc -c)"
    for header in "$@"; do printf '%s\r\n' "$header"; done
    printf 'X-Stream-Id: 3c2a-stream\r\nAccept-Encoding: gzip\r\n\r\n%s' "$payload"
  } >request.bin
}

@test "start, params and stop as an orchestrator sends them" {
  start_serve --auth-token-file tokens
  T=http://127.0.0.1:9/ai/trickle/3c2a-stream
  # The orchestrator's own keys, then those of the client's body, in Go's order of a map.
  request /stream/start "{\"control_url\":\"$T-control\",\"data_url\":\"$T-data\",\"events_url\":\"$T-events\",\"gateway_request_id\":\"3c2a-stream\",\"params\":{\"effect\":\"red_tint\",\"intensity\":0.5,\"prompt\":\"a cat\"},\"publish_url\":\"$T-out\",\"stream_id\":\"3c2a-stream\",\"stream_name\":\"mine\",\"rtmp_output\":\"\",\"subscribe_url\":\"$T\"}" 'Content-Type: application/json'
  send request.bin
  [ "$code" = 200 ]
  [ "$(field '[.status, .request_id] | join("|")')" = 'success|3c2a-stream' ]
  # The client's raw body; then 9 MB of it.
  request /stream/params '{"intensity":0.25}' 'Content-Type: application/json'
  send request.bin
  [ "$code" = 200 ]
  request /stream/params "{\"intensity\":0.75,\"prompt\":\"$(head -c 9000000 /dev/zero | tr '\0' x)\"}" 'Content-Type: application/json'
  send request.bin
  [ "$code" = 200 ]
  request /stream/params '{"intensity":7}' 'Content-Type: application/json'
  send request.bin
  [ "$code" = 400 ]
  wait_until 10 grep -q '0.75' control.log
  # A second start of the same stream, as a gateway that lost the first answer sends it.
  request /stream/start "{\"gateway_request_id\":\"3c2a-stream\",\"subscribe_url\":\"$T\"}" 'Content-Type: application/json'
  send request.bin
  [ "$code" = 409 ]
  # A stop has no Content-Type, and whatever body the client sent; the orchestrator's monitor sends another one,
  # without any body.
  request /stream/stop '{"stream_id":"3c2a-stream"}'
  send request.bin
  [ "$code" = 200 ]
  request /stream/stop ''
  send request.bin
  [ "$code" = 400 ]
  sed -i 's/Bearer token-of-the-capability/Bearer stolen/' request.bin
  send request.bin
  [ "$code" = 403 ]
}

@test "the heartbeat and the status come every 10 s in the form that gateways expect" {
  unset FAKE_LOG
  start_relay
  rm fake/trickle-pub
  ln -s "$(command -v trickle-pub)" fake/trickle-pub
  start_serve
  background bash -c "exec 3>&-; trickle-sub --lines --wait=10 --start 0 $RELAY/events >events.json 2>sub.log"
  reader=$LAST
  call POST /api/stream/start "{\"subscribe_url\": \"$RELAY/in\", \"events_url\": \"$RELAY/events?token=hidden\", \"gateway_request_id\": \"a\"}"
  [ "$code" = 200 ]
  came() { grep -q '"type":"status"' events.json; }
  wait_until 30 came
  call POST /api/stream/stop
  wait "$reader"
  jq -c 'select(.event.type == "heartbeat")' events.json | head -n 1 >heartbeat
  [ "$(jq -r .queue_event_type heartbeat)" = stream_heartbeat ]
  [ "$(jq -c '.event | keys_unsorted' heartbeat)" = '["type","timestamp","urls","dimensions","fps"]' ]
  [ "$(jq -c '.event.urls' heartbeat)" = "{\"subscribe\":\"$RELAY/in\",\"publish\":\"\",\"control\":\"\",\"events\":\"$RELAY/events?token=***\",\"data\":\"\"}" ]
  [ "$(jq -c '.event.dimensions | keys' heartbeat)" = '["height","width"]' ]
  [ "$(jq -c '.event.fps | keys' heartbeat)" = '["egress_audio_fps","egress_video_fps","ingress_audio_fps","ingress_video_fps"]' ]
  now=$(date +%s%3N)
  [ "$(jq ".event.timestamp > $now - 60000 and .event.timestamp <= $now" heartbeat)" = true ]
  jq -c 'select(.event.type == "status")' events.json | head -n 1 >status
  [ "$(jq -r .queue_event_type status)" = ai_stream_events ]
  [ "$(jq -c '.event | keys_unsorted' status)" = \
    '["type","timestamp","pipeline","start_time","state","last_state_update_time","input_status","inference_status"]' ]
  [ "$(jq -c '.event.input_status | keys_unsorted' status)" = '["last_input_time","fps"]' ]
  [ "$(jq -c '.event.inference_status | keys_unsorted' status)" = \
    '["last_output_time","fps","last_params","last_error","restart_count","last_restart_time"]' ]
  [[ $(jq -r .event.state status) =~ ^(ONLINE|OFFLINE|DEGRADED_INPUT|DEGRADED_INFERENCE|ERROR)$ ]]
  [ "$(head -n 1 events.json | jq -r .event.type)" = stream_started ]
  [ "$(tail -n 1 events.json | jq -r .event.type)" = stream_stopped ]
}

@test "updates that overtake each other are all told, in order" {
  unset FAKE_LOG
  start_relay
  rm fake/trickle-pub
  ln -s "$(command -v trickle-pub)" fake/trickle-pub
  start_serve
  background bash -c "exec 3>&-; trickle-sub --lines --wait=10 --start oldest --on-gap oldest $RELAY/events >events.json 2>sub.log"
  reader=$LAST
  call POST /api/stream/start "{\"subscribe_url\": \"$RELAY/in\", \"events_url\": \"$RELAY/events\", \"params\": {\"effect\": \"red_tint\"}}"
  wait_until 10 grep -q stream_started events.json
  for i in 1 2 3 4 5; do
    call POST /api/stream/params "{\"intensity\": 0.$i}"
    wait_until 10 grep -q "0.$i" events.json
  done
  call POST /api/stream/stop
  wait "$reader"
  [ "$(jq -r 'select(.event.type == "params_updated").event.params.intensity' events.json | paste -sd ' ')" = '0.1 0.2 0.3 0.4 0.5' ]
}

@test "what processors say goes to the data channel in arrays, what befalls them to the events" {
  start_relay
  rm fake/trickle-pub
  ln -s "$(command -v trickle-pub)" fake/trickle-pub
  fake trickle-fx 'echo "{\"data\":{\"n\":1}}" >&"$EVENTS"; echo "{\"data\":\"two\"}" >&"$EVENTS"; echo "{\"data\":\"$(head -c 70000 /dev/zero | tr "\0" x)\"}" >&"$EVENTS"
echo "{\"event\":\"effect_failed\",\"message\":\"no memory left\"}" >&"$EVENTS"; echo junk >&"$EVENTS"; cat'
  start_serve
  background bash -c "exec 3>&-; trickle-sub --lines --wait=10 --start 0 $RELAY/data >data.json 2>sub.log"
  background bash -c "exec 3>&-; trickle-sub --lines --wait=10 --start 0 $RELAY/events >events.json 2>sub2.log"
  call POST /api/stream/start "{\"subscribe_url\": \"$RELAY/in\", \"events_url\": \"$RELAY/events\", \"data_url\": \"$RELAY/data\"}"
  wait_until 20 grep -q two data.json
  wait_until 20 grep -q effect_failed events.json
  # As the peer writes it, for gateways that read lines: jsonl, and each array ends with a newline.
  [ "$(curl -sS -D head "$RELAY/data/0")" = '[{"n":1},"two"]' ]
  [ "$(curl -sS "$RELAY/data/0" | tail -c 1)" = "" ]
  grep -qi '^content-type: application/jsonl' head
  call POST /api/stream/stop
  [ "$(jq -c '.[]' data.json | paste -sd ' ')" = '{"n":1} "two"' ]
  [ "$(jq -r 'select(.event.type == "error").event | [.cause, .message] | join("|")' events.json)" = 'effect_failed|no memory left' ]
  grep -q 'data: an item of more than 65536 bytes is left out' serve.log
}

@test "show_loading reaches the effects at the start, with an update, and after a restart" {
  start_serve
  call POST /api/stream/start "{$BODY, \"params\": {\"effect\": \"invert\", \"show_loading\": true}}"
  wait_until 10 test -s control.log
  [ "$(jq -c . control.log)" = '{"effect":"invert","show_loading":true}' ]
  call POST /api/stream/params '{"show_loading": "no"}'
  wait_until 10 grep -q '"show_loading":false' control.log
  call POST /api/stream/params '{"detect_out_resolution": false, "overlay": "none"}'
  [ "$code" = 400 ]
}
