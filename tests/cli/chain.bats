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

@test "whichever filter is killed, the others end within 2 s, with the documented code and a clear line" {
  for victim in sub decode fx encode pub; do
    publish_clip "in-$victim"
    mkfifo f1 f2 f3 f4
    start_filter() {
      local name=$1
      shift
      background bash -c 'echo $$ >"$0.pid"; exec "$@"' "$name" "$@" 2>"$name.log"
    }
    start_filter sub trickle-sub --wait=10 "$RELAY/in-$victim" >f1
    start_filter decode trickle-decode <f1 >f2
    start_filter fx trickle-fx red_tint <f2 >f3
    start_filter encode trickle-encode <f3 >f4
    start_filter pub trickle-pub --keep-channel "$RELAY/out-$victim" <f4
    wait_until 10 curl -sf --max-time 2 -o /dev/null "$RELAY/out-$victim/0"

    kill -KILL "$(cat "$victim.pid")"
    for name in sub decode fx encode pub; do
      [ "$name" = "$victim" ] && continue
      wait_until 2 bash -c "! kill -0 $(cat "$name.pid") 2>/dev/null"
      code=0
      wait "$(cat "$name.pid")" || code=$?
      echo "$victim killed: $name ended with $code: $(tail -n 1 "$name.log")"
      [ "$code" -eq 0 ]
      [ -s "$name.log" ]
    done
    rm -f f1 f2 f3 f4 ./*.pid
  done
}
