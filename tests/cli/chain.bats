# The filters joined by plain pipes, as the README shows them, over a real relay.

load helpers

setup() {
  common_setup
  start_relay
  make_clip in.ts 4
}

teardown() { common_teardown; }

# publish_clip CHANNEL: the clip in real time, in the background, so that the channel lives while others read it.
publish_clip() {
  background bash -c "ffmpeg -nostdin -v error -re -i in.ts -c copy -muxdelay 0 -f mpegts - |
    trickle-pub $RELAY/$1 2>pub-$1.log"
}

measure() { "$ROOT/scripts/measure" "$@"; }

# check_red: source.ts and out.ts hold what went in and what came out; every frame is there, and is red.
check_red() {
  run --separate-stderr measure effects source.ts out.ts red_tint
  echo "$output $stderr"
  [ "$status" -eq 0 ]
  [ "$output" = 'red_tint 120' ]
}

@test "the short chain runs exactly as written, with both URLs in the environment" {
  background bash -c "trickle-sub --wait=10 --start oldest $RELAY/in >source.ts 2>source.log"
  source_pid=$LAST
  background bash -c "trickle-sub --wait=10 --start oldest $RELAY/out >out.ts 2>out.log"
  out_pid=$LAST
  publish_clip in
  export TRICKLE_SUBSCRIBE_URL=$RELAY/in TRICKLE_PUBLISH_URL=$RELAY/out TRICKLE_SUB_WAIT=10 TRICKLE_SUB_START=oldest
  trickle-sub | trickle-fx red_tint | trickle-pub
  wait "$source_pid"
  wait "$out_pid"
  check_red
}

@test "the long chain does the same, every frame there" {
  background bash -c "trickle-sub --wait=10 --start oldest $RELAY/in >source.ts 2>source.log"
  source_pid=$LAST
  background bash -c "trickle-sub --wait=10 --start oldest $RELAY/out >out.ts 2>out.log"
  out_pid=$LAST
  publish_clip in
  trickle-sub --wait=10 --start oldest "$RELAY/in" | trickle-decode | trickle-fx red_tint | trickle-encode |
    trickle-pub "$RELAY/out"
  wait "$source_pid"
  wait "$out_pid"
  check_red
}

@test "ffmpeg publishes through a pipe and reads a channel through a pipe" {
  publish_clip in
  trickle-sub --wait=10 --start oldest "$RELAY/in" | ffmpeg -nostdin -v error -i - -c copy -f mpegts got.ts
  [ "$(count_frames got.ts)" = 120 ]
}

@test "ffmpeg reads decoded frames through a pipe, each as the source has it" {
  publish_clip in
  trickle-sub --wait=10 --start oldest "$RELAY/in" | trickle-decode |
    ffmpeg -nostdin -v error -i - -map 0:v -fps_mode passthrough -f framemd5 got.md5
  ffmpeg -nostdin -v error -i in.ts -map 0:v -fps_mode passthrough -f framemd5 want.md5
  [ "$(grep -c '^0,' got.md5)" = 120 ]
  diff <(awk '/^0,/ { print $NF }' got.md5) <(awk '/^0,/ { print $NF }' want.md5)
}

# stage NAME COMMAND…: runs it in a pipeline, leaving its number in NAME.pid, its log in NAME.log and, once it has
# ended, its exit code in NAME.code.
stage() {
  local name=$1 code=0
  shift
  "$@" <&0 2>"$name.log" &
  echo $! >"$name.pid"
  wait $! || code=$?
  echo $code >"$name.code"
}

@test "whichever filter is killed, the others end within 2 s, with the documented code and a clear line" {
  export -f stage
  export RELAY
  for victim in sub decode fx encode pub; do
    export victim
    publish_clip "in-$victim"
    background bash -c 'stage sub trickle-sub --wait=10 $RELAY/in-$victim | stage decode trickle-decode |
      stage fx trickle-fx red_tint | stage encode trickle-encode | stage pub trickle-pub $RELAY/out-$victim'
    wait_until 10 test -s pub.pid
    wait_until 10 curl -sf --max-time 1 -r 0-0 -o first.byte "$RELAY/out-$victim/0" || [ -s first.byte ]

    kill -KILL "$(cat "$victim.pid")"
    for name in sub decode fx encode pub; do
      wait_until 2 test -s "$name.code"
      echo "$victim killed: $name ended with $(cat $name.code): $(tail -n 1 "$name.log")"
      if [ "$name" = "$victim" ]; then
        [ "$(cat $name.code)" -eq 137 ]
      else
        [ "$(cat $name.code)" -eq 0 ]
        [ -s "$name.log" ]
      fi
    done
    rm -f ./*.pid ./*.code first.byte
  done
}
