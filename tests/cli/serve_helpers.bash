# For the bats files about trickle-serve: small scripts in the places of its programs, a daemon, and calls to its API.
# Load it after helpers. The variables that these functions set are for the tests.
# shellcheck shell=bash disable=SC2034

fake_programs() {
  mkdir fake
  fake trickle-sub 'trap "exit 0" TERM; while sleep 0.02; do :; done'
  fake trickle-decode 'cat'
  # The stand-in expands it.
  # shellcheck disable=SC2016
  fake trickle-fx 'while read -r -u "$CONTROL" line; do echo "$line" >>"$FAKE_LOG"; done >/dev/null & cat'
  fake trickle-encode 'cat'
  fake trickle-pub 'cat >/dev/null'
  export FAKE_LOG=$WORK/control.log
  # Only those processes that a test asks for.
  export TRICKLE_SERVE_WARM=0
  # Nobody listens there: closing the channel fails at once, and that is no one's fault.
  BODY='"subscribe_url": "http://127.0.0.1:9/in", "publish_url": "http://127.0.0.1:9/out?token=hidden"'
}

# fake NAME SCRIPT: $CONTROL is the number of the control descriptor, $STATS, $READY, $EVENTS those of the others.
fake() {
  {
    echo '#!/bin/bash'
    # shellcheck disable=SC2016
    echo 'while (($#)); do case $1 in --control) CONTROL=${2#fd:};; --stats) STATS=${2#fd:};; --ready) READY=${2#fd:};; --events) EVENTS=${2#fd:};; esac; shift; done'
    echo "$2"
  } >"fake/$1"
  chmod +x "fake/$1"
}

start_serve() {
  rm -f "$WORK/serve.port"
  background trickle-serve --listen 127.0.0.1:0 --port-file "$WORK/serve.port" --programs "$WORK/fake" "$@" 2>"$WORK/serve.log"
  SERVE_PID=$LAST
  wait_until 10 test -s "$WORK/serve.port"
  WORKER=http://127.0.0.1:$(cat "$WORK/serve.port")
}

# call METHOD PATH [BODY [CURL OPTIONS…]]: the body goes to $body, the status to $code.
call() {
  local method=$1 path=$2 data=()
  (($# >= 3)) && [[ $3 != -* ]] && data=(-H 'Content-Type: application/json' --data-binary "$3")
  if ((${#data[@]})); then shift 3; else shift 2; fi
  code=$(curl -sS -o body.json -w '%{http_code}' -X "$method" "${data[@]}" "$@" "$WORKER$path")
  body=$(cat body.json)
}

field() { jq -r "$1" <<<"$body"; }
pids() { curl -sS "$WORKER/api/streams" | jq -c '[.streams[].processes[].pid]'; }
