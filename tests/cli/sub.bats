#!/usr/bin/env bats
# trickle-sub as a user sees it, against the real relay.

load helpers
setup() { common_setup; }
teardown() { common_teardown; }

# put CHANNEL SEQ TEXT: one whole segment.
put() { curl -sf -X POST -H 'Content-Type: application/json' --data-binary "$3" "$RELAY/$1/$2"; }

@test "--help is what the golden file says" {
  golden trickle-sub.help trickle-sub --help
}

@test "a channel that is not there ends with 3 and one sentence" {
  start_relay
  run --separate-stderr trickle-sub "$RELAY/nothing"
  [ "$status" -eq 3 ]
  [ -z "$output" ]
  [[ "$stderr" == *"there is no channel"* ]]
}

@test "a server that is not there ends with 5, and the URL is shown without its secrets" {
  run trickle-sub --retry 0 "http://user:secret@127.0.0.1:1/x?token=hidden"
  [ "$status" -eq 5 ]
  [[ "$output" != *secret* && "$output" != *hidden* ]]
}

@test "what is no URL, start or retry count is refused with 2" {
  run trickle-sub ftp://host/x
  [ "$status" -eq 2 ]
  run trickle-sub --start sometime http://127.0.0.1:1/x
  [ "$status" -eq 2 ]
  run trickle-sub --retry often http://127.0.0.1:1/x
  [ "$status" -eq 2 ]
  run trickle-sub
  [ "$status" -eq 2 ]
}

@test "a terminal gets no media" {
  run script -qec 'trickle-sub http://127.0.0.1:1/x' /dev/null
  [ "$status" -eq 2 ]
  [[ "$output" == *terminal* ]]
}

@test "segments come out in order from --start N, one line each with --lines, until --segments" {
  start_relay
  for i in 0 1 2 3; do put events "$i" "{\"n\":$i}"; done
  run --separate-stderr trickle-sub --start 1 --segments 2 --lines --stats stats "$RELAY/events"
  [ "$status" -eq 0 ]
  [ "$output" = $'{"n":1}\n{"n":2}' ]
  [ "$(tail -n 1 stats | jq -c '[.bytes_in, .bytes_out]')" = '[14,16]' ]
}

@test "--start -3 and oldest count from the newest and the oldest segment" {
  start_relay
  for i in 0 1 2 3; do put events "$i" "$i"; done
  [ "$(trickle-sub --start oldest --segments 1 "$RELAY/events")" = 0 ]
  [ "$(trickle-sub --start -3 --segments 1 "$RELAY/events")" = 2 ]
  [ "$(trickle-sub --segments 1 "$RELAY/events")" = 3 ]
}

@test "an empty segment is no end, and the deletion of the channel is" {
  start_relay
  put c 0 a
  put c 1 ''
  put c 2 b
  background trickle-sub --start 0 "$RELAY/c" >out
  local sub=$LAST
  wait_until 10 grep -q ab out
  curl -sf -X DELETE "$RELAY/c"
  wait "$sub"
  [ "$(cat out)" = ab ]
}

@test "--wait asks again for a channel until it is there" {
  start_relay
  background trickle-sub --wait=20 --segments 1 "$RELAY/later" >out 2>log
  local sub=$LAST
  wait_until 10 grep -q 'waiting for' log
  put later 0 here
  wait "$sub"
  [ "$(cat out)" = here ]
}

@test "bytes come out while their segment is still being written" {
  start_relay
  mkfifo feed
  curl -sf -X POST -H 'Expect-Content: text/plain' "$RELAY/live"
  background curl -sf -T feed -X POST -H 'Content-Type: text/plain' "$RELAY/live/0"
  exec 7>feed
  background trickle-sub "$RELAY/live" >out
  printf first >&7
  wait_until 10 grep -q first out
  printf second >&7
  wait_until 10 grep -q firstsecond out
  exec 7>&-
}

@test "--dir writes whole segments as files and nothing else" {
  start_relay
  put d 0 zero
  put d 1 one
  run --separate-stderr trickle-sub --start 0 --segments 2 --dir files "$RELAY/d"
  [ "$status" -eq 0 ]
  [ -z "$output" ]
  [ "$(ls -A files)" = $'0.ts\n1.ts' ]
  [ "$(cat files/0.ts files/1.ts)" = zeroone ]
}

@test "--dir shows whole segments only, also after a SIGKILL in the middle of one" {
  start_relay
  put d 0 whole
  mkfifo feed
  background curl -sf -T feed -X POST "$RELAY/d/1"
  exec 7>feed
  background trickle-sub --start 0 --dir files "$RELAY/d"
  local sub=$LAST
  printf torn >&7
  wait_until 10 bash -c 'grep -q torn files/1.ts.*'
  kill -KILL "$sub"
  run wait "$sub"
  [ "$(cat files/0.ts)" = whole ]
  [ ! -e files/1.ts ]
  exec 7>&-
  # The next one to come gives it its name.
  trickle-sub --start 0 --segments 2 --dir files "$RELAY/d"
  [ "$(cat files/1.ts)" = torn ]
}

@test "--public-only connects to no private address, whatever the name that stands for it" {
  start_relay
  for host in 127.0.0.1 localhost; do
    run trickle-sub --public-only "http://$host:${RELAY##*:}/c"
    [ "$status" -eq 4 ]
    [[ $output == *"the server's address is one of a private network, which is not allowed"* ]]
  done
  run trickle-pub --public-only "http://localhost:${RELAY##*:}/c" <<<words
  [ "$status" -eq 4 ]
  # A proxy connects for us, and that may be near.
  http_proxy=$RELAY run trickle-sub --public-only --retry 0 http://example.org/c
  [ "$status" -eq 3 ]
}

@test "IPv6: both tools reach a server by its address in brackets" {
  grep -q '^0*1 ' /proc/net/if_inet6 || skip 'this machine has no IPv6'
  background trickle-relay --listen '[::1]:0' --port-file relay.port 2>relay.log
  wait_until 10 test -s relay.port
  local url
  url="http://[::1]:$(cat relay.port)/c"
  printf 'one\ntwo\n' | trickle-pub --split line --keep-channel "$url"
  [ "$(trickle-sub --start 0 --segments 2 --lines "$url")" = $'one\ntwo' ]
}

@test "SIGTERM ends it at once while it waits, with 0" {
  start_relay
  curl -sf -X POST "$RELAY/quiet"
  background trickle-sub --log-level debug "$RELAY/quiet" >out 2>log
  local sub=$LAST
  wait_until 10 grep -q GET log
  kill -TERM "$sub"
  wait "$sub"
}

@test "a closed standard output ends it at once while it waits, with 0" {
  start_relay
  curl -sf -X POST "$RELAY/quiet"
  mkfifo pipe
  exec 8<>pipe
  background trickle-sub --log-level debug "$RELAY/quiet" >pipe 2>log 8>&-
  local sub=$LAST
  wait_until 10 grep -q GET log
  exec 8>&-
  wait "$sub"
}

@test "without a standard output or a log nothing is written into a connection instead" {
  start_relay
  printf 'media' >media
  trickle-pub --split eof --keep-channel "$RELAY/cam" <media
  run --separate-stderr -1 sh -c "trickle-sub --start oldest --segments 1 '$RELAY/cam' >&-"
  [[ "$stderr" == *"standard output: write failed: Bad file descriptor" ]]
  trickle-sub --log-level trace --start oldest --segments 1 "$RELAY/cam" >out 2>&-
  cmp media out
}

@test "--segments 0 reads nothing" {
  start_relay
  curl -sf --data-binary one "$RELAY/cam/0"
  trickle-sub --segments 0 "$RELAY/cam" >out
  [ ! -s out ]
}

@test "a value that is none is refused with 2 and its option's name" {
  local option
  for option in --wait --idle-timeout; do
    run --separate-stderr -2 trickle-sub "$option=soon" http://127.0.0.1:1/x
    [[ "$stderr" == *"$option 'soon' is not a duration"* ]]
  done
}

@test "it gives up with 5 when nothing comes for --idle-timeout" {
  start_relay
  curl -sf -X POST "$RELAY/quiet"
  run trickle-sub --idle-timeout 300ms "$RELAY/quiet"
  [ "$status" -eq 5 ]
  [[ "$output" == *"nothing came"* ]]
}

@test "a gap is reported and counted, and the stream goes on" {
  start_relay --window 2
  for i in 0 1 2 3 4; do put g "$i" "$i"; done
  background trickle-sub --start 0 --on-gap oldest --stats stats.json "$RELAY/g" >out 2>log
  local sub=$LAST
  wait_until 10 grep -q 34 out
  curl -sf -X DELETE "$RELAY/g"
  wait "$sub"
  [ "$(cat out)" = 34 ]
  grep -q 'segments 0 to 2 are lost' log
  [ "$(tail -n 1 stats.json | jq .gaps)" = 1 ]
}

@test "a token from a file or the environment opens a channel, and its lack is 4" {
  printf 'letmein\n' >tokens
  start_relay --subscribe-token-file tokens
  put t 0 x
  run trickle-sub --segments 1 "$RELAY/t"
  [ "$status" -eq 4 ]
  [ "$(trickle-sub --token-file tokens --segments 1 "$RELAY/t")" = x ]
  [ "$(TRICKLE_TOKEN=letmein TRICKLE_SUBSCRIBE_URL=$RELAY/t trickle-sub --segments 1)" = x ]
}

@test "--info tells number, sizes, codecs, size, frame rate and GOP of a channel" {
  start_relay
  make_clip clip.ts 4 320x240 30
  trickle-pub --min-segment 0 --keep-channel "$RELAY/c" <clip.ts
  trickle-sub --info --json "$RELAY/c?token=hidden" >info.json
  [ "$(jq -c '[.next, .content_type, (.segments | length), .segments[0].complete]' info.json)" = '[4,"video/MP2T",4,true]' ]
  [ "$(jq '[.segments[].bytes] | add' info.json)" = "$(trickle-sub --start oldest --segments 4 "$RELAY/c" | wc -c)" ]
  [ "$(jq -c '.streams[0] | [.codec, .width, .height, (.fps | round), (.gop_s | round)]' info.json)" = '["H.264",320,240,30,1]' ]
  [ "$(jq -r '.streams[1].codec' info.json)" = AAC ]
  run cat info.json
  [[ "$output" != *hidden* ]]
  run --separate-stderr trickle-sub --info "$RELAY/c"
  [[ "$output" == *"H.264, 320x240, 30 fps, a keyframe each 1 s"* ]]
}

@test "--info of an empty channel, of one that is no video, and of none" {
  start_relay
  curl -sf -X POST "$RELAY/empty"
  [ "$(trickle-sub --info --json "$RELAY/empty" | jq -c '[.next, .segments]')" = '[0,[]]' ]
  put e 0 '{"a":1}'
  [ "$(trickle-sub --info --json "$RELAY/e" | jq -c '[.segments[0].bytes, .streams, .content_type]')" = '[7,[],"application/json"]' ]
  run trickle-sub --info "$RELAY/none"
  [ "$status" -eq 3 ]
}

@test "it knows nothing of FFmpeg, Boost or LibTorch" {
  run ldd "$(command -v trickle-sub)"
  [[ "$output" != *libav* && "$output" != *libboost* && "$output" != *libtorch* ]]
}

@test "its start waits for no library but curl's" {
  ldd "$(command -v trickle-sub)" >libraries
  ! grep -E 'lib[at]san' libraries || skip "a build with sanitizers"
  run -1 grep -E 'libstdc|libspdlog|libfmt' libraries
}
