# Shared by the bats files: finds the programs, runs servers on free ports, waits for conditions with a deadline.
# Load it with `load helpers`; call common_setup in setup() and common_teardown in teardown().

bats_require_minimum_version 1.5.0

common_setup() {
  local root
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  PATH="${TRICKLE_BIN:-$root/build/release/bin}:$PATH"
  export PATH ROOT="$root"
  export MANPATH="$root/man"
  WORK=$BATS_TEST_TMPDIR
  cd "$WORK" || return 1
  BACKGROUND=()
}

common_teardown() {
  local pid
  for pid in "${BACKGROUND[@]}"; do kill -KILL -- "-$pid" 2>/dev/null || true; done
  for pid in "${BACKGROUND[@]}"; do wait "$pid" 2>/dev/null || true; done
  return 0
}

# background COMMAND…: runs it in a process group of its own, which teardown ends with all that is in it; its number
# is in $!, also kept in $LAST.
background() {
  set -m
  "$@" </dev/null 3>&- &
  set +m
  LAST=$!
  BACKGROUND+=("$LAST")
}

# wait_until SECONDS COMMAND…: true as soon as the command is; fails after SECONDS.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      echo "not true in time: $*" >&2
      return 1
    fi
    sleep 0.05
  done
}

# The variables that the functions below set are for the tests.
# shellcheck disable=SC2034

# start_relay [OPTIONS]: sets RELAY to its URL (http://127.0.0.1:PORT).
start_relay() {
  rm -f "$WORK/relay.port"
  background trickle-relay --listen 127.0.0.1:0 --port-file "$WORK/relay.port" "$@" 2>"$WORK/relay.log"
  RELAY_PID=$LAST
  wait_until 10 test -s "$WORK/relay.port"
  RELAY=http://127.0.0.1:$(cat "$WORK/relay.port")
}

# start_worker [OPTIONS]: trickle-serve with its log in serve.log, or, where TRICKLE_TEST_WORKER=app, the library's App
# with the same effects; sets WORKER to its URL and SERVE_PID.
# shellcheck disable=SC2034
start_worker() {
  local program=(trickle-serve)
  [ "${TRICKLE_TEST_WORKER:-serve}" = serve ] || program=("$(dirname "$(command -v trickle-serve)")/../tests/app_worker")
  rm -f "$WORK/serve.port"
  background "${program[@]}" --listen 127.0.0.1:0 --port-file "$WORK/serve.port" "$@" 2>"$WORK/serve.log"
  SERVE_PID=$LAST
  wait_until 10 test -s "$WORK/serve.port"
  WORKER=http://127.0.0.1:$(cat "$WORK/serve.port")
}

# of_programs: skips a test that is about the programs of a chain, where they are threads.
of_programs() { [ "${TRICKLE_TEST_WORKER:-serve}" = serve ] || skip 'it is about the programs of a chain'; }

# make_clip FILE SECONDS [WxH [FPS [FFMPEG OUTPUT OPTIONS…]]]: an MPEG-TS clip with H.264 (1 s GOPs) and AAC.
make_clip() {
  local file=$1 seconds=$2 size=${3:-320x240} fps=${4:-30}
  shift $(($# < 4 ? $# : 4))
  ffmpeg -nostdin -loglevel error -y -f lavfi -i "testsrc2=s=$size:r=$fps:d=$seconds" \
    -f lavfi -i "sine=440:d=$seconds" -c:v libx264 -preset ultrafast -tune zerolatency -g "$fps" \
    -pix_fmt yuv420p -c:a aac -b:a 64k "$@" -f mpegts "$file"
}

# count_frames FILE|URL: decoded video frames.
count_frames() {
  ffprobe -v error -select_streams v:0 -count_frames -show_entries stream=nb_read_frames -of csv=p=0 "$1" |
    head -n 1 | tr -d ','
}

# golden NAME COMMAND…: its output is what tests/cli/golden/NAME holds; UPDATE_GOLDEN=1 writes that file anew.
golden() {
  local file=$BATS_TEST_DIRNAME/golden/$1
  shift
  "$@" >golden.out
  if [ -n "${UPDATE_GOLDEN:-}" ]; then
    mkdir -p "${file%/*}"
    cp golden.out "$file"
  fi
  diff -u "$file" golden.out
}
