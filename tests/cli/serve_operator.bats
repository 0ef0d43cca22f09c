#!/usr/bin/env bats
# trickle-serve for those who run it: limits, logs, signals, service manager, orchestrator, what a kill leaves behind.
# shellcheck disable=SC2016,SC2030,SC2031 # $ belongs to the scripts; bats runs each test in a subshell.

load helpers
load serve_helpers

setup() {
  common_setup
  fake_programs
}

teardown() { common_teardown; }

@test "JSON logs name the stream on each of its lines, those of its programs too" {
  fake trickle-fx 'echo "{\"level\":\"warning\",\"message\":\"from the child\"}" >&2; cat'
  start_serve --log-format json
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a \\\"quoted\\\" id\"}"
  [ "$code" = 200 ]
  wait_until 10 grep -q 'from the child' serve.log
  call POST /api/stream/stop
  jq -e . serve.log >/dev/null
  [ "$(jq -r 'select(.message | test("from the child")) | [.stream, .message, .level] | join("|")' serve.log)" = \
    'a "quoted" id|trickle-fx: from the child|warning' ]
  [ "$(jq -r 'select(.message | test("^stream (started|ended)")).stream' serve.log | sort -u)" = 'a "quoted" id' ]
}

@test "text logs begin a stream's lines with its name in brackets" {
  start_serve
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a\"}"
  call POST /api/stream/stop
  grep -q 'info: \[a\] stream started' serve.log
}

@test "SIGUSR1 makes the log more talkative and SIGUSR2 less, without a restart" {
  start_serve --log-level warning
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"quiet\"}"
  call POST /api/stream/stop
  run ! grep -q 'quiet' serve.log
  kill -USR1 "$SERVE_PID"
  talks() {
    call POST /api/stream/start "{$BODY}" && call POST /api/stream/stop && grep -q 'stream started' serve.log
  }
  wait_until 10 talks
  kill -USR2 "$SERVE_PID"
  is_quiet() {
    : >serve.log
    call POST /api/stream/start "{$BODY}" && call POST /api/stream/stop && ! grep -q 'stream started' serve.log
  }
  wait_until 10 is_quiet
}

@test "a program that gets SIGUSR1 before it handles it lives on" {
  start_serve
  call POST /api/stream/start "{$BODY}"
  before=$(pids)
  kill -USR1 "$SERVE_PID"
  kill -USR2 "$SERVE_PID"
  call GET /health
  [ "$(pids)" = "$before" ]
  call GET /api/stream/status
  [ "$(field '.streams[0].restarts')" = 0 ]
}

@test "tokens in URLs are hidden in logs, status and errors" {
  fake trickle-pub 'echo "{\"level\":\"error\",\"message\":\"refused by $TRICKLE_PUBLISH_URL\"}" >&2; sleep 1; exit 4'
  start_serve --log-level debug
  call POST /api/stream/start "{$BODY, \"gateway_request_id\": \"a\"}"
  call GET /api/stream/status
  [ "$(field .current_params.publish_url)" = 'http://127.0.0.1:9/out?token=***' ]
  ended() { call GET /api/streams/a && [ "$(field .state)" = ERROR ]; }
  wait_until 10 ended
  [[ $(field .last_error) == *'http://127.0.0.1:9/out?token=***' ]]
  call POST /api/stream/start '{"subscribe_url": "ftp://user:hidden@h/in?token=hidden"}'
  call GET /api/streams
  run ! grep -q hidden serve.log <(echo "$body")
}

@test "--rate-limit answers 429 with Retry-After, but never to probes" {
  start_serve --rate-limit 2
  call GET /version
  [ "$code" = 200 ]
  refused() { call GET /version -D headers && [ "$code" = 429 ]; }
  wait_until 20 refused
  grep -qi '^retry-after: [1-9]' headers
  [ "$(field .status)" = error ]
  for _ in 1 2 3 4 5 6 7 8; do
    call GET /health
    [ "$code" = 200 ]
  done
  again() { call GET /version && [ "$code" = 200 ]; }
  wait_until 10 again
}

@test "requests may not name private hosts with --allow-private no" {
  start_serve --allow-private no
  for host in 127.0.0.1 10.0.0.1 169.254.169.254 '[::1]' 0x7f.1 localhost; do
    call POST /api/stream/start "{\"subscribe_url\": \"http://$host/in\"}"
    [ "$code" = 400 ]
    [[ $(field .message) == *'private network'* ]]
  done
  call POST /api/stream/start '{"publish_url": "http://8.8.8.8/in", "events_url": "http://192.168.0.1/ev"}'
  [ "$code" = 400 ]
  call GET /api/streams
  [ "$(field '.streams + .ended | length')" = 0 ]
}

@test "names are checked again when they are connected to: every program of the stream is told so" {
  start_serve --allow-private no
  # A name may stand for another address by then. Nobody answers there; what counts is how the programs are started.
  for program in sub pub; do
    fake trickle-$program 'echo "'$program' $ARGUMENTS" >>"$FAKE_LOG"; exec sleep 60'
    sed -i '2i ARGUMENTS="$*"' "fake/trickle-$program"
  done
  call POST /api/stream/start '{"subscribe_url": "http://8.8.8.8/in", "publish_url": "http://8.8.8.8/out", "events_url": "http://8.8.8.8/e", "data_url": "http://8.8.8.8/d", "control_url": "http://8.8.8.8/c"}'
  [ "$code" = 200 ]
  wait_until 10 bash -c '[ "$(grep -c . "$FAKE_LOG")" = 5 ]'
  [ "$(grep -c -- '--public-only' "$FAKE_LOG")" = 5 ]
  call POST /api/stream/stop
}

@test "a host in a percent-encoded spelling is the host that it stands for" {
  start_serve --allow-private no
  for host in 127%2e0%2e0%2e1 %31%32%37.0.0.1 local%68ost; do
    call POST /api/stream/start "{\"subscribe_url\": \"http://$host/in\"}"
    [ "$code" = 400 ]
    [[ $(field .message) == *'private network'* ]]
  done
  call POST /api/stream/start '{"subscribe_url": "http://8.8.8.8/pool/%2e./in"}'
  [ "$code" = 400 ]
}

@test "private hosts are refused by default where it does not listen on loopback" {
  rm -f serve.port
  background trickle-serve --listen 0.0.0.0:0 --port-file serve.port --programs fake 2>serve.log
  wait_until 10 test -s serve.port
  WORKER=http://127.0.0.1:$(cat serve.port)
  call POST /api/stream/start "{$BODY}"
  [ "$code" = 400 ]
}

@test "a request can name no file outside of --model-dir" {
  mkdir models
  touch models/a.pt
  start_serve --capacity 2
  call POST /api/stream/start "{$BODY, \"params\": {\"effect\": \"torchscript\", \"model\": \"/etc/passwd\"}}"
  [ "$code" = 400 ]
  [[ $(field .message) == *--model-dir* ]]
  start_serve --capacity 2 --model-dir models
  call POST /api/stream/start "{$BODY, \"params\": {\"effect\": \"torchscript\", \"model\": \"../models-too/a.pt\"}}"
  [ "$code" = 400 ]
  call POST /api/stream/start "{$BODY, \"params\": {\"effect\": \"torchscript\", \"model\": \"a.pt\"}}"
  [ "$code" = 200 ]
  call POST /api/stream/params '{"effect": "torchscript", "model": "/etc/passwd"}'
  [ "$code" = 400 ]
  call GET /api/stream/status
  [ "$(field '.streams[0].effect.model')" = "$(realpath models/a.pt)" ]
}

@test "a worker that was killed leaves its channels in --state-dir, and the next one closes them" {
  start_relay
  start_serve --state-dir state
  call POST /api/stream/start "{\"publish_url\": \"$RELAY/out\", \"gateway_request_id\": \"a\"}"
  [ "$code" = 200 ]
  curl -sS -X POST -H 'Expect-Content: video/mp2t' "$RELAY/out"
  printf x | curl -sS --data-binary @- "$RELAY/out/0"
  background bash -c "exec 3>&-; trickle-sub --start 0 $RELAY/out >got 2>sub.log"
  reader=$LAST
  wait_until 10 test -s got
  kill -KILL "$SERVE_PID"
  wait "$SERVE_PID" || true
  [ "$(cat state/*.channel)" = "$RELAY/out" ]
  start_serve --state-dir state
  wait "$reader"
  gone() { [ -z "$(find state -name '*.channel')" ] && call GET /readyz && [ "$code" = 200 ]; }
  wait_until 10 gone
  [ "$(curl -sS -o /dev/null -w '%{http_code}' "$RELAY/out/next")" = 404 ]
}

@test "what ended properly is not remembered, and a state directory has one owner" {
  start_serve --state-dir state
  call POST /api/stream/start "{$BODY, \"events_url\": \"http://127.0.0.1:9/events\"}"
  [ "$(find state -name '*.channel' | wc -l)" = 2 ]
  run -2 --separate-stderr trickle-serve --listen 127.0.0.1:0 --programs fake --state-dir state
  [[ $stderr == *'used by another worker'* ]]
  call POST /api/stream/stop
  [ -z "$(find state -name '*.channel')" ]
}

@test "until what was left behind is closed it is loading: health says so and starts are answered 503" {
  start_serve --state-dir state
  # A server that takes connections and never answers.
  background python3 -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(1000)' >silent.port
  wait_until 10 test -s silent.port
  call POST /api/stream/start "{\"publish_url\": \"http://127.0.0.1:$(cat silent.port)/out\"}"
  kill -KILL "$SERVE_PID"
  start_serve --state-dir state
  call GET /health
  [ "$body" = '{"status":"LOADING"}' ]
  call GET /readyz
  [ "$code" = 503 ]
  call POST /api/stream/start "{$BODY}"
  [ "$code" = 503 ]
  [ "$(field '[.message, .current_state.pipeline_ready, .current_state.startup_complete] | join("|")')" = \
    'Pipeline is still loading|false|false' ]
  is_idle() { call GET /health && [ "$(field .status)" = IDLE ]; }
  wait_until 30 is_idle
}

# orchestrator SCRIPT: answers registrations; each request becomes a line in orch.log. SCRIPT sets `status`.
orchestrator() {
  cat >orchestrator.py <<'PY'
import http.server, json, sys
count = 0
class Orchestrator(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        global count
        count += 1
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        names = {"status": 200, "path": self.path, "count": count}
        exec(sys.argv[1], names)
        with open("orch.log", "a") as log:
            print(json.dumps([self.path, self.headers["Authorization"], self.headers["Content-Type"], body]), file=log)
        self.send_response(names["status"])
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Orchestrator)
print(server.server_port, flush=True)
server.serve_forever()
PY
  background python3 orchestrator.py "$1" >orch.port
  wait_until 10 test -s orch.port
  export ORCH_URL=http://127.0.0.1:$(cat orch.port) ORCH_SECRET=verysecret CAPABILITY_NAME=tint
  touch orch.log
}

@test "registers with the orchestrator, again until it is accepted, and unregisters at the end" {
  orchestrator 'status = 503 if count < 3 else 200'
  CAPABILITY_DESCRIPTION=d CAPABILITY_PRICE_PER_UNIT=7 start_serve --capacity 3
  wait_until 20 grep -q 'registered as "tint"' serve.log
  [ "$(wc -l <orch.log)" = 3 ]
  [ "$(sed -n 3p orch.log | jq -r '.[0:3] | join("|")')" = '/capability/register|verysecret|application/json' ]
  [ "$(sed -n 3p orch.log | jq -c '.[3] | fromjson')" = \
    "{\"url\":\"$WORKER\",\"name\":\"tint\",\"description\":\"d\",\"capacity\":3,\"price_per_unit\":7,\"price_scaling\":1}" ]
  call POST /api/stream/start "{$BODY}"
  pids | jq -r '.[]' >pids.txt
  while read -r pid; do run ! grep -qa verysecret "/proc/$pid/environ"; done <pids.txt
  kill -TERM "$SERVE_PID"
  wait "$SERVE_PID"
  [ "$(tail -n 1 orch.log | jq -r '[.[0], .[1], .[3]] | join("|")')" = '/capability/unregister|verysecret|tint' ]
  run ! grep -q verysecret serve.log
}

@test "a refused secret ends the registration, and the worker works on" {
  orchestrator 'status = 400'
  start_serve
  wait_until 10 grep -q 'ORCH_SECRET' serve.log
  call GET /health
  [ "$code" = 200 ]
  kill -TERM "$SERVE_PID"
  wait "$SERVE_PID"
  [ "$(wc -l <orch.log)" = 1 ]
}

@test "an orchestrator that is not there keeps nothing waiting" {
  ORCH_URL=http://127.0.0.1:9 ORCH_SECRET=s start_serve
  call GET /health
  [ "$code" = 200 ]
  kill -TERM "$SERVE_PID"
  wait "$SERVE_PID"
  run -2 --separate-stderr env ORCH_URL=http://h ORCH_SECRET=s CAPABILITY_CAPACITY=many trickle-serve --listen 127.0.0.1:0 --programs fake
  [[ $stderr == *CAPABILITY_CAPACITY* ]]
}

@test "tells systemd when it is ready, that it lives, and that it stops" {
  background python3 -c 'import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind("notify"); open("bound", "w").close()
while True: print(s.recv(1000).decode(), flush=True)' >notified
  wait_until 10 test -e bound
  NOTIFY_SOCKET=$WORK/notify WATCHDOG_USEC=200000 start_serve
  wait_until 10 grep -q READY=1 notified
  beats() { [ "$(grep -c WATCHDOG=1 notified)" -ge 3 ]; }
  wait_until 20 beats
  kill -TERM "$SERVE_PID"
  wait "$SERVE_PID"
  wait_until 10 grep -q STOPPING=1 notified
  [ "$(head -n 1 notified)" = READY=1 ]
}

@test "GPUs are read through NVML, which is looked for only at run time" {
  cat >nvml.c <<'C'
#include <string.h>
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Utilization;
int nvmlInit_v2(void) { return 0; }
int nvmlDeviceGetCount_v2(unsigned *n) { *n = 1; return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { static int x; *d = &x; return i == 0 ? 0 : 2; }
int nvmlDeviceGetUUID(void *d, char *t, unsigned n) { strncpy(t, "GPU-1", n); return 0; }
int nvmlDeviceGetName(void *d, char *t, unsigned n) { strncpy(t, "Test GPU", n); return 0; }
int nvmlDeviceGetMemoryInfo(void *d, Memory *m) { m->total = 100; m->free = 60; m->used = 40; return 0; }
int nvmlDeviceGetCudaComputeCapability(void *d, int *a, int *b) { *a = 9; *b = 0; return 0; }
int nvmlDeviceGetUtilizationRates(void *d, Utilization *u) { u->gpu = 50; u->memory = 20; return 0; }
C
  mkdir lib
  cc -shared -fPIC -o lib/libnvidia-ml.so.1 nvml.c
  LD_LIBRARY_PATH=$WORK/lib start_serve --pipeline p --model-id m
  call GET /hardware/info
  [ "$body" = '{"pipeline":"p","model_id":"m","gpu_info":{"0":{"id":"GPU-1","name":"Test GPU","memory_total":100,"memory_free":60,"major":9,"minor":0}}}' ]
  call GET /hardware/stats
  [ "$body" = '{"pipeline":"p","model_id":"m","gpu_stats":{"0":{"id":"GPU-1","name":"Test GPU","memory_total":100,"memory_free":60,"utilization_compute":50,"utilization_memory":20}}}' ]
  run ! sh -c "ldd '$(command -v trickle-serve)' | grep -i nvidia"
}

@test "--config sets options" {
  printf 'capacity = 3\npipeline = "from the file"\n' >serve.toml
  start_serve --config serve.toml
  call GET /version
  [ "$(field .pipeline)" = 'from the file' ]
  call GET /metrics
  [[ $body == *'trickle_free_slots 3'* ]]
}
