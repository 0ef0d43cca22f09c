# Starts and stops the whole system for scripts/demo and scripts/test_workflow: a relay, a worker and a paced
# publisher as children of the calling script, all on free ports, none of which outlives it.
# The caller sets OUT, an existing folder for logs and recordings. Sourced, not run.

BIN=$PWD/build/release/bin
CHILDREN=()
began=$EPOCHREALTIME

elapsed() { awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%6.1f s", b - a }'; }
say() { printf '[%s] %s\n' "$(elapsed)" "$*"; }
die() {
  say "FAILED: $*" >&2
  exit 1
}

# child NAME COMMAND…: starts it in the background, with the stdin of this call and its stderr in $OUT/NAME.log; its
# number is left in $CHILD.
child() {
  local name=$1
  shift
  "$@" <&0 2>"$OUT/$name.log" &
  CHILD=$!
  CHILDREN+=("$CHILD")
}

stop_children() {
  trap - EXIT INT TERM
  local pid
  for pid in "${CHILDREN[@]}"; do kill -TERM "$pid" 2>/dev/null; done
  for _ in {1..60}; do
    kill -0 "${CHILDREN[@]}" 2>/dev/null || break
    sleep 0.05
  done
  for pid in "${CHILDREN[@]}"; do kill -KILL "$pid" 2>/dev/null; done
  wait 2>/dev/null
}
trap 'stop_children' EXIT
trap 'echo; say interrupted; stop_children; exit 130' INT TERM

# wait_for SECONDS WHAT COMMAND…: returns when the command is true, fails the script when it isn't in time.
wait_for() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || die "$what: not within the time allowed; the logs are in $OUT"
    sleep 0.05
  done
}

# build_everything: what a fresh machine needs before the first tool can run.
build_everything() {
  scripts/setup || die 'the setup failed'
  say 'setup done'
  scripts/build || die 'the build failed'
  say 'build done'
}

# start_servers: sets RELAY and WORKER to the URLs of a trickle-relay and a trickle-serve.
start_servers() {
  rm -f "$OUT"/*.port
  child relay "$BIN/trickle-relay" --listen 127.0.0.1:0 --port-file "$OUT/relay.port"
  child serve "$BIN/trickle-serve" --listen 127.0.0.1:0 --port-file "$OUT/serve.port"
  wait_for 10 'trickle-relay did not start' test -s "$OUT/relay.port"
  wait_for 10 'trickle-serve did not start' test -s "$OUT/serve.port"
  RELAY=http://127.0.0.1:$(cat "$OUT/relay.port")
  WORKER=http://127.0.0.1:$(cat "$OUT/serve.port")
  say "relay at $RELAY, worker at $WORKER"
}

# publish_paced SECONDS FFMPEG-INPUT-AND-CODEC-ARGUMENTS…: ffmpeg, at the speed of real time, into $RELAY/in.
publish_paced() {
  local seconds=$1
  shift
  rm -f "$OUT/source.fifo"
  mkfifo "$OUT/source.fifo" || die "no pipe"
  child ffmpeg ffmpeg -nostdin -v error "$@" -t "$seconds" -muxdelay 0 -f mpegts -y "$OUT/source.fifo"
  child pub "$BIN/trickle-pub" "$RELAY/in" <"$OUT/source.fifo"
}

# record CHANNEL FILE: everything of the channel, from its first segment on.
record() {
  child "sub-$1" "$BIN/trickle-sub" --wait=20 --start oldest "$RELAY/$1" >"$2"
}

# api METHOD PATH [JSON]: a request to the worker; prints the answer, fails the script unless it is 200.
api() {
  local answer status
  answer=$(curl -sS -X "$1" ${3:+--json "$3"} -w '\n%{http_code}' "$WORKER$2") || die "$1 $2: no answer"
  status=${answer##*$'\n'}
  [ "$status" = 200 ] || die "$1 $2: status $status: ${answer%$'\n'*}"
  printf '%s\n' "${answer%$'\n'*}"
}

show_status() {
  local status
  status=$(api GET /api/stream/status) || exit 1
  say "status: $(jq -r '"\(.state // .status), \(.fps.ingress_video_fps // 0 | round) fps in, " +
    "\(.fps.egress_video_fps // 0 | round) fps out"' <<<"$status")"
}

sum_up_recording() {
  ffprobe -v error -show_entries stream=codec_name,width,height,sample_rate -of csv=p=0 "$1" | sort -u | paste -sd ' '
}
