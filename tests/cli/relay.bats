#!/usr/bin/env bats
# trickle-relay: driven by curl alone, its options, its end.

load helpers

setup() {
  common_setup
}

teardown() {
  common_teardown
}

# ask CURL-ARGUMENTS…: the status, with the body in `body` and the headers in `headers`.
ask() {
  curl -s --max-time 30 -o body -D headers -w '%{http_code}' "$@"
}

# slow_post URL: POSTs what is written to descriptor 7, as it is written, without a length.
slow_post() {
  mkfifo feed
  exec 7<>feed # Both ends, so that neither side waits for the other to open it.
  curl -s --max-time 60 -T - -X POST -H 'Content-Type: text/plain' -o post.body -w '%{http_code}' "$1" \
    <feed >post.status 3>&- 7>&- &
  POST_PID=$!
  BACKGROUND+=("$POST_PID")
}

channel_says() {
  curl -s --max-time 10 "$RELAY/_channels" | grep -q "$1"
}

@test "curl alone creates, writes, reads, asks for next and deletes" {
  start_relay
  [ "$(ask -X POST -H 'Expect-Content: video/mp2t' "$RELAY/cam")" = 200 ]
  [ "$(ask "$RELAY/cam/next")" = 200 ]
  [ "$(cat body)" = 0 ]
  [ "$(ask --data-binary 'one' "$RELAY/cam/0")" = 200 ]
  grep -qi '^Lp-Trickle-Seq: 0' headers
  [ "$(ask "$RELAY/cam/0")" = 200 ]
  [ "$(cat body)" = one ]
  grep -qi '^Content-Type: video/mp2t' headers
  [ "$(ask "$RELAY/cam/next")" = 200 ]
  [ "$(cat body)" = 1 ]
  [ "$(ask -X DELETE "$RELAY/cam/0")" = 200 ]
  [ "$(ask -X DELETE "$RELAY/cam")" = 200 ]
  [ "$(ask "$RELAY/cam/next")" = 404 ]
}

@test "a reader sees bytes while their POST is still open" {
  start_relay
  ask -X POST "$RELAY/cam" >/dev/null
  background curl -sN --max-time 60 -o got "$RELAY/cam/0"
  reader=$LAST
  slow_post "$RELAY/cam/0"
  echo first >&7
  wait_until 20 grep -q first got
  kill -0 "$POST_PID"
  kill -0 "$reader"
  echo second >&7
  wait_until 20 grep -q second got
  exec 7>&-
  wait "$POST_PID"
  wait "$reader"
  [ "$(cat post.status)" = 200 ]
  [ "$(cat got)" = $'first\nsecond' ]
}

@test "DELETE ends the stream for those who wait and for those who write" {
  start_relay
  slow_post "$RELAY/cam/0"
  echo first >&7
  wait_until 20 channel_says '"bytes":6'
  background curl -s --max-time 60 -D waiting.headers -o waiting.body "$RELAY/cam/1"
  reader=$LAST
  wait_until 20 channel_says '"seq":1'
  [ "$(ask -X DELETE "$RELAY/cam")" = 200 ]
  wait "$reader"
  grep -qi '^Lp-Trickle-Closed: terminated' waiting.headers
  [ ! -s waiting.body ]
  exec 7>&-
  wait "$POST_PID" || true
  [ "$(ask -X DELETE "$RELAY/cam")" = 400 ]
}

@test "what is not there is 470 with the latest number" {
  start_relay
  ask --data x "$RELAY/cam/0" >/dev/null
  [ "$(ask "$RELAY/cam/5")" = 470 ]
  grep -qi '^Lp-Trickle-Latest: 1' headers
  [ "$(cat body)" = "Entry not found" ]
}

@test "ffmpeg publishes to a segment, and reads the endless body of live" {
  start_relay
  make_clip clip.ts 2
  ffmpeg -nostdin -loglevel error -i clip.ts -c copy -f mpegts -method POST "$RELAY/cam/0"
  curl -s --max-time 30 -o copy.ts "$RELAY/cam/0"
  [ "$(count_frames copy.ts)" = 60 ]
  background ffmpeg -nostdin -loglevel error -y -i "$RELAY/cam/live" -c copy -f mpegts live.ts
  player=$LAST
  wait_until 20 eval "curl -s $RELAY/_health | grep -q '\"readers\":1,'"
  ask -X DELETE "$RELAY/cam" >/dev/null
  wait "$player"
  [ "$(count_frames live.ts)" = 60 ]
}

@test "the change feed tells of channels" {
  start_relay --changefeed
  ask -X POST "$RELAY/cam" >/dev/null
  ask -X DELETE "$RELAY/cam" >/dev/null
  [ "$(curl -s --max-time 10 "$RELAY/_changes/0")" = '{"added":["cam"]}' ]
  [ "$(curl -s --max-time 10 "$RELAY/_changes/1")" = '{"removed":["cam"]}' ]
}

@test "without autocreate only the named channels are served" {
  start_relay --no-autocreate --channel cam --channel events
  [ "$(ask --data x "$RELAY/other/0")" = 404 ]
  [ "$(ask --data x "$RELAY/cam/0")" = 200 ]
  [ "$(ask "$RELAY/events/next")" = 200 ]
}

@test "channels lie under the base path" {
  start_relay --base-path ai/trickle
  [ "$(ask --data x "$RELAY/ai/trickle/cam/0")" = 200 ]
  [ "$(ask --data x "$RELAY/cam/0")" = 404 ]
}

@test "percent-encoded names, absolute targets and queries mean the same channel" {
  start_relay --base-path /live/
  [ "$(ask --data x "$RELAY/live/c%61m/%30")" = 200 ]
  [ "$(ask "$RELAY/live/cam/0")" = 200 ]
  [ "$(cat body)" = x ]
  [ "$(ask --request-target "http://elsewhere.example/live/cam/0" "$RELAY/")" = 200 ]
  [ "$(cat body)" = x ]
  [ "$(ask --request-target "http://elsewhere.example" "$RELAY/")" = 404 ]
  [ "$(ask "$RELAY/live/cam/0?player=1")" = 200 ]
  [ "$(ask --data x "$RELAY/live/a%2Fb/0")" = 400 ]
  [ "$(ask --data x "$RELAY/live/%00/0")" = 400 ]
  [ "$(ask --data x "$RELAY/live/%zz/0")" = 400 ]
}

@test "the window and the caps hold" {
  start_relay --window 2 --max-segment-bytes 1K
  for seq in 0 1 2; do ask --data "$seq" "$RELAY/cam/$seq" >/dev/null; done
  [ "$(ask "$RELAY/cam/0")" = 470 ]
  [ "$(ask "$RELAY/cam/oldest")" = 200 ]
  [ "$(cat body)" = 1 ]
  head -c 5000 /dev/zero >large
  [ "$(ask --data-binary @large "$RELAY/cam/3")" = 413 ]
}

@test "it listens on IPv6" {
  background trickle-relay --listen '[::1]:0' --port-file six.port 2>six.log
  wait_until 10 test -s six.port
  grep -q "listening on http://\[::1\]:$(cat six.port)/" six.log
  [ "$(ask "http://[::1]:$(cat six.port)/_health")" = 200 ]
}

@test "it listens on a name" {
  getent ahosts localhost || skip 'this machine does not know the name localhost'
  background trickle-relay --listen localhost:0 --port-file name.port 2>name.log
  wait_until 10 test -s name.port
  [ "$(ask "http://localhost:$(cat name.port)/_health")" = 200 ]
}

@test "SIGTERM tells readers, lets the open segment end, and exits 0" {
  start_relay
  slow_post "$RELAY/cam/0"
  echo first >&7
  wait_until 20 channel_says '"bytes":6'
  background curl -s --max-time 60 -D waiting.headers -o waiting.body "$RELAY/cam/1"
  reader=$LAST
  wait_until 20 channel_says '"seq":1'
  kill -TERM "$RELAY_PID"
  wait "$reader"
  grep -qi '^Lp-Trickle-Closed: terminated' waiting.headers
  echo last >&7
  exec 7>&-
  wait "$POST_PID"
  [ "$(cat post.status)" = 200 ]
  wait "$RELAY_PID"
  grep -q '1 segments\|2 segments' relay.log
}

@test "at SIGTERM the feed tells of the end, and a reader gets the open segment to its last byte" {
  start_relay --changefeed --drain 1m
  slow_post "$RELAY/cam/0"
  echo first >&7
  wait_until 20 channel_says '"bytes":6'
  background curl -sN --max-time 60 -o reader.body "$RELAY/cam/0" 7>&-
  reader=$LAST
  wait_until 20 grep -q first reader.body
  background curl -s --max-time 60 -o feed.body "$RELAY/_changes/1" 7>&-
  feed=$LAST
  wait_until 20 eval "curl -s $RELAY/_health | grep -q '\"readers\":2,'"
  kill -TERM "$RELAY_PID"
  wait "$feed"
  [ "$(cat feed.body)" = '{"removed":["cam"]}' ]
  run ! curl -s --max-time 10 "$RELAY/_health" # Nobody new is accepted.
  echo last >&7
  exec 7>&-
  wait "$POST_PID"
  grep -q 200 post.status
  wait "$reader"
  [ "$(cat reader.body)" = $'first\nlast' ]
  wait "$RELAY_PID"
}

@test "at SIGTERM a writer that does not end is given --drain and no more" {
  start_relay --drain 100ms
  slow_post "$RELAY/cam/0"
  echo first >&7
  wait_until 20 channel_says '"bytes":6'
  kill -TERM "$RELAY_PID"
  wait "$RELAY_PID"
  exec 7>&-
}

@test "a second signal ends it at once with 130" {
  start_relay --drain 1h
  slow_post "$RELAY/cam/0"
  echo first >&7
  wait_until 20 channel_says '"bytes":6'
  kill -TERM "$RELAY_PID"
  wait_until 20 grep -q stopping relay.log
  kill -TERM "$RELAY_PID"
  status=0
  wait "$RELAY_PID" || status=$?
  [ "$status" = 130 ]
}

@test "an address in use is 1, and bad options are 2, each with one sentence" {
  start_relay
  run -1 trickle-relay --listen "127.0.0.1:${RELAY##*:}"
  [[ "$output" == *"cannot listen on 127.0.0.1:${RELAY##*:}: Address already in use"* ]]
  for wrong in "--listen nowhere" "--base-path /a//b" "--channel a/b" "--channel _changes" "--window 0" \
    "--max-segment-bytes much" "--max-segment-bytes 0" "--idle-timeout soon" "--drain -1s" "--unknown"; do
    # shellcheck disable=SC2086
    run -2 trickle-relay --listen 127.0.0.1:0 $wrong
    [ "${#lines[@]}" = 1 ]
  done
}

@test "statistics count what goes in and out" {
  start_relay --stats stats.jsonl
  ask --data-binary 12345 "$RELAY/cam/0" >/dev/null
  ask "$RELAY/cam/0" >/dev/null
  kill -TERM "$RELAY_PID"
  wait "$RELAY_PID"
  tail -n 1 stats.jsonl | jq -e '.final and .bytes_in == 5 and .bytes_out == 5 and .segments_in == 1'
}

@test "it links neither curl nor FFmpeg" {
  ldd "$(command -v trickle-relay)" >libraries
  run -1 grep -E 'libcurl|libav|libsw|libtorch' libraries
}

@test "--help is as agreed" {
  golden trickle-relay.help trickle-relay --help
}
