#!/usr/bin/env bats
# trickle-pub as a user sees it, and the pair of it and trickle-sub, against the real relay.

load helpers
setup() { common_setup; }
teardown() { common_teardown; }

# subscribe CHANNEL FILE [OPTIONS]: reads a channel that this creates from its first segment on into FILE, in the
# background; its number is in $SUB.
subscribe() {
  local channel=$1 file=$2
  shift 2
  curl -sf -X POST -H 'Expect-Content: video/MP2T' "$RELAY/$channel"
  background trickle-sub --log-level debug --start 0 "$@" "$RELAY/$channel" >"$file" 2>"$file.log"
  SUB=$LAST
  wait_until 10 grep -q GET "$file.log"
}

@test "--help is what the golden file says" {
  golden trickle-pub.help trickle-pub --help
}

@test "a clip in real time comes out of the relay byte for byte, cut at its keyframes" {
  start_relay
  make_clip clip.ts 4
  subscribe c out
  ffmpeg -nostdin -loglevel error -re -i clip.ts -c copy -f mpegts - | tee in.ts | trickle-pub "$RELAY/c"
  wait "$SUB"
  cmp in.ts out
  # A keyframe that comes early by the clock on the wall begins no segment.
  grep -qE 'received [2-4] segments' out.log
}

@test "a clip as fast as it can be read comes out of the relay byte for byte" {
  start_relay
  make_clip clip.ts 20
  subscribe c out
  trickle-pub "$RELAY/c" <clip.ts
  wait "$SUB"
  cmp clip.ts out
}

@test "every segment stands alone: PAT, PMT, then a keyframe that decodes" {
  start_relay
  make_clip clip.ts 3
  curl -sf -X POST -H 'Expect-Content: video/MP2T' "$RELAY/c"
  trickle-pub --min-segment 0 --keep-channel "$RELAY/c" <clip.ts
  trickle-sub --start 0 --segments 3 --dir files "$RELAY/c"
  for i in 0 1 2; do [ "$(count_frames "files/$i.ts")" = 30 ]; done
}

@test "lines become segments, JSON by itself" {
  start_relay
  subscribe events out --lines
  printf '{"a":1}\n\n{"a":2}\n{"a":3}' | trickle-pub "$RELAY/events"
  wait "$SUB"
  [ "$(jq -s -c . out)" = '[{"a":1},{"a":2},{"a":3}]' ]
}

@test "bytes:N makes segments of that size" {
  start_relay
  printf 0123456789 | trickle-pub --split bytes:4 --keep-channel "$RELAY/b"
  trickle-sub --start 0 --segments 3 --dir files "$RELAY/b"
  [ "$(cat files/0.ts) $(cat files/1.ts) $(cat files/2.ts)" = "0123 4567 89" ]
}

@test "--keep-newline leaves the newline at the end of each line's segment, and needs --split line" {
  start_relay
  printf 'one\n\ntwo\nthree' | trickle-pub --split line --keep-newline --keep-channel "$RELAY/c"
  [ "$(for i in 0 1 2; do curl -sS "$RELAY/c/$i" | od -An -c | tr -d ' '; done)" = $'one\\n\ntwo\\n\nthree' ]
  run trickle-pub --split eof --keep-newline "$RELAY/c" <<<x
  [ "$status" -eq 2 ]
  [[ $output == *"--keep-newline needs --split line"* ]]
}

@test "text comes out at once under --split eof, and auto says that it cuts by time" {
  start_relay
  mkfifo feed
  subscribe t out
  background bash -c 'exec trickle-pub "$1" <feed 2>log' - "$RELAY/t"
  local pub=$LAST
  exec 7>feed
  printf 'not video' >&7
  wait_until 10 grep -q 'not video' out
  exec 7>&-
  wait "$pub"
  grep -q 'cut by time' log
}

@test "a standard input that is closed or can't be read is 1 and one sentence, no wait and no empty input" {
  start_relay
  run --separate-stderr -1 sh -c "timeout 20 trickle-pub --split eof '$RELAY/cam' <&-"
  [[ "$stderr" == *"standard input: read failed: Bad file descriptor" && "$stderr" != *empty* ]]
  run --separate-stderr -1 timeout 20 trickle-pub --split eof "$RELAY/cam" </
  [[ "$stderr" == *"standard input: read failed: Is a directory" && "$stderr" != *empty* ]]
}

@test "a value that is none is refused with 2 and its option's name" {
  run --separate-stderr -2 trickle-pub --min-segment soon http://127.0.0.1:1/x </dev/null
  [[ "$stderr" == *"--min-segment 'soon' is not a duration"* ]]
  run --separate-stderr -2 trickle-pub --buffer 0 http://127.0.0.1:1/x </dev/null
  [[ "$stderr" == *"--buffer must not be 0"* ]]
}

@test "no input is a warning and 0" {
  start_relay
  run trickle-pub "$RELAY/c" </dev/null
  [ "$status" -eq 0 ]
  [[ "$output" == *empty* ]]
}

@test "input that is no MPEG-TS is 6 under --split keyframe" {
  start_relay
  run trickle-pub --split keyframe "$RELAY/c" <<<"words"
  [ "$status" -eq 6 ]
  [[ "$output" == *"no MPEG-TS"* ]]
}

@test "a channel that may not be created is 3" {
  start_relay --no-autocreate
  run bash -c 'echo "{}" | trickle-pub "$1"' - "$RELAY/forbidden"
  [ "$status" -eq 3 ]
}

@test "a stream that is deleted while it runs ends it with 3, also while it waits for input" {
  start_relay
  mkfifo feed
  background bash -c 'exec trickle-pub --split line "$1" <feed 2>log' - "$RELAY/c"
  local pub=$LAST
  exec 7>feed
  echo one >&7
  # Whole, and so acknowledged: a segment that the end cuts off would be a loss, and exit code 1.
  [ "$(curl -s --retry 20 --retry-connrefused --retry-all-errors --retry-delay 0 -f "$RELAY/c/0")" = one ]
  curl -sf -X DELETE "$RELAY/c"
  status=0
  wait "$pub" || status=$?
  cat log
  [ "$status" -eq 3 ]
  exec 7>&-
}

@test "a refused token is 4" {
  echo right >tokens
  start_relay --publish-token-file tokens
  run bash -c 'echo "{}" | TRICKLE_TOKEN=wrong trickle-pub "$1"' - "$RELAY/c"
  [ "$status" -eq 4 ]
  echo '{}' | TRICKLE_TOKEN=right TRICKLE_PUBLISH_URL=$RELAY/c trickle-pub
}

@test "the first SIGTERM finishes the last segment and deletes the channel" {
  start_relay
  mkfifo feed
  subscribe c out
  background bash -c 'exec trickle-pub --split eof "$1" <feed' - "$RELAY/c"
  local pub=$LAST
  exec 7>feed
  printf accepted >&7
  wait_until 10 grep -q accepted out
  kill -TERM "$pub"
  wait "$pub"
  wait "$SUB"
  [ "$(curl -s -o /dev/null -w '%{http_code}' "$RELAY/c/next")" = 404 ]
  exec 7>&-
}

@test "killed relays come back: with --retry forever both go on, and the loss is told to the byte" {
  start_relay
  local port=${RELAY##*:}
  make_clip clip.ts 8
  subscribe c out --retry forever
  (
    ffmpeg -nostdin -loglevel error -re -i clip.ts -c copy -f mpegts - | tee in.ts |
      trickle-pub --retry forever "$RELAY/c" 2>pub.log || true
  ) &
  local chain=$!
  BACKGROUND+=("$chain")
  wait_until 20 bash -c '[ "$(stat -c %s out)" -gt 200000 ]'
  kill -KILL "$RELAY_PID"
  wait "$RELAY_PID" || true  # Only now is the port free again.
  background trickle-relay --listen "127.0.0.1:$port" 2>relay2.log
  wait_until 40 bash -c "! kill -0 $chain"
  wait_until 20 bash -c "! kill -0 $SUB"
  local lost
  lost=$(sed -n 's/.*info: published .* lost [0-9]* segments, \([0-9]*\) bytes$/\1/p' pub.log)
  local acknowledged
  acknowledged=$(sed -n 's/.*info: published [0-9]* segments, \([0-9]*\) bytes.*/\1/p' pub.log)
  [ "$((lost + acknowledged))" = "$(stat -c %s in.ts)" ]
  [ "$lost" -gt 0 ]
  tail -c 50000 in.ts | cmp - <(tail -c 50000 out)
}

# make_certificate: cert.pem and key.pem for 127.0.0.1.
make_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out cert.pem -days 2 \
    -subj /CN=localhost -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' 2>/dev/null
}

@test "TLS: a certificate that is not trusted is 5 at once, --cacert trusts it, --insecure warns" {
  trickle-relay --help | grep -q tls-cert || skip "this relay knows no TLS"
  make_certificate
  start_relay --tls-cert cert.pem --tls-key key.pem
  local url=https://${RELAY#*//}/c
  run bash -c 'echo "{}" | trickle-pub --retry forever "$1"' - "$url"
  [ "$status" -eq 5 ]
  [[ "$output" == *certificate* ]]
  run trickle-sub --retry forever "$url"
  [ "$status" -eq 5 ]
  head -c 3000000 /dev/urandom >in
  trickle-pub --cacert cert.pem --split bytes:1M --keep-channel "$url" <in
  trickle-sub --cacert cert.pem --start 0 --segments 3 "$url" >out
  cmp in out
  trickle-sub --insecure --start 0 --segments 3 "$url" >out 2>log
  cmp in out
  grep -q 'warning: certificates are not verified' log
  start_relay
  run -5 trickle-sub --retry 0 "https://${RELAY#*//}/c"
  [[ "$output" == *"the server does not speak TLS"* ]]
}

@test "no secret is in a log, in the statistics, or in what ps shows of a token from a file" {
  printf 'tok-SECRET\n' >tokens
  start_relay
  mkfifo feed
  background bash -c 'exec trickle-pub --log-level trace --stats pub.json --token-file tokens \
    "http://user:SECRET@${1#*//}/c?token=SECRET" <feed 2>pub.log' - "$RELAY"
  local pub=$LAST
  exec 7>feed
  printf '{"a":1}\n' >&7
  background env TRICKLE_TOKEN=tok-SECRET TRICKLE_SUBSCRIBE_URL="http://user:SECRET@${RELAY#*//}/c?token=SECRET" \
    trickle-sub --log-level trace --stats sub.json --wait --start 0 >out 2>sub.log
  local sub=$LAST
  wait_until 10 grep -q a out
  run cat "/proc/$sub/cmdline"
  [[ "$output" != *SECRET* ]]
  run cat "/proc/$pub/cmdline"
  [[ "$output" != *tok-SECRET* ]]
  kill -KILL "$RELAY_PID"  # For messages about a server that is gone, too.
  printf '{"a":2}\n' >&7
  wait_until 20 grep -q 'trying again' pub.log
  wait_until 20 grep -q 'trying again' sub.log
  kill -TERM "$sub"
  wait "$sub" || true
  exec 7>&-
  kill -KILL "$pub"
  run cat pub.log sub.log pub.json sub.json
  [[ "$output" != *SECRET* ]]
}

# publish_and_stop_the_relay OPTIONS…: what is written to descriptor 7 is published, 1 MB of it before the relay stands
# still; the log is in the file log, the publisher's number in LAST.
publish_and_stop_the_relay() {
  mkfifo feed
  background bash -c 'exec trickle-pub --split bytes:1M --buffer 4M "$@" <feed 2>log' - "$@" "$RELAY/c"
  exec 7>feed
  head -c 1000000 /dev/zero >&7
  wait_until 10 curl -sf "$RELAY/c/next"
  kill -STOP "$RELAY_PID"
}

@test "under --on-lag drop a server that stands still never blocks the input; the loss is told and exit code 1" {
  start_relay
  publish_and_stop_the_relay --on-lag drop
  timeout 20 head -c 50000000 /dev/zero >&7  # Far more than fits in pipes and buffers.
  kill -CONT "$RELAY_PID"
  exec 7>&-
  status=0
  wait "$LAST" || status=$?
  cat log
  [ "$status" -eq 1 ]
  local sum
  sum=$(sed -n 's/.*info: published [0-9]* segments, \([0-9]*\) bytes; lost [0-9]* segments, \([0-9]*\) bytes$/\1+\2/p' log)
  [ "$((sum))" -eq 51000000 ]
  grep -q 'not acknowledged' log
}

@test "under --on-lag block a server that stands still for a while loses nothing" {
  start_relay --window 100
  head -c 20000000 /dev/urandom >in
  kill -STOP "$RELAY_PID"
  background bash -c 'exec trickle-pub --split bytes:1M --buffer 4M --keep-channel "$1" <in 2>log' - "$RELAY/c"
  local pub=$LAST
  sleep 2  # How long the server stands still.
  kill -CONT "$RELAY_PID"
  wait "$pub"
  trickle-sub --start 0 --segments 20 "$RELAY/c" >out
  cmp in out
}

@test "under --on-lag fail a server that is too slow ends it with 1 and one sentence" {
  start_relay
  publish_and_stop_the_relay --on-lag fail
  head -c 50000000 /dev/zero >&7 2>/dev/null || true
  exec 7>&-
  status=0
  wait "$LAST" || status=$?
  kill -CONT "$RELAY_PID"
  cat log
  [ "$status" -eq 1 ]
  grep -q 'too slow' log
}

@test "what is not MPEG-TS is named under auto, and passes whole under bytes, seconds and eof" {
  start_relay --window 100
  make_clip clip.ts 1
  ffmpeg -nostdin -v error -i clip.ts -c copy -bsf:a aac_adtstoasc -movflags frag_keyframe+empty_moov clip.mp4
  ffmpeg -nostdin -v error -i clip.ts -c copy -bsf:a aac_adtstoasc clip.flv
  ffmpeg -nostdin -v error -i clip.ts -c copy -bsf:a aac_adtstoasc clip.mkv
  ffmpeg -nostdin -v error -i clip.ts -an -c copy clip.h264
  local name what how
  while read -r name what; do
    run bash -c 'trickle-pub --keep-channel "$1" <"$2"' - "$RELAY/auto-$name" "clip.$name"
    [ "$status" -eq 0 ]
    [[ "$output" == *"the input is $what, whose keyframes are not known here"* ]]
    for how in bytes:50K seconds:1 eof; do
      trickle-pub --keep-channel --split "$how" "$RELAY/$name-${how%:*}" <"clip.$name"
      local count
      count=$(trickle-sub --info --json "$RELAY/$name-${how%:*}" | jq '.segments | length')
      trickle-sub --start 0 --segments "$count" "$RELAY/$name-${how%:*}" >out
      cmp "clip.$name" out
    done
  done <<'KINDS'
mp4 MP4
flv FLV
mkv Matroska or WebM
h264 a raw H.264 or HEVC stream
KINDS
}

@test "it knows nothing of FFmpeg, Boost or LibTorch" {
  run ldd "$(command -v trickle-pub)"
  [[ "$output" != *libav* && "$output" != *libboost* && "$output" != *libtorch* ]]
}

@test "its start waits for no library but curl's" {
  ldd "$(command -v trickle-pub)" >libraries
  ! grep -E 'lib[at]san' libraries || skip "a build with sanitizers"
  run -1 grep -E 'libstdc|libspdlog|libfmt' libraries
}
