#!/usr/bin/env bats
# trickle-fx: effects that are changed while it runs.

load fx_helpers

@test "a control line changes the colour from the next frame on, and loses none" {
  mkfifo control
  exec 8<>control
  start_half --control fd:8 red_tint:intensity=0.2
  echo '{"effect":"blue_tint","intensity":0.3}' >&8
  wait_until 10 grep -q 'now blue_tint:intensity=0.3' fx.log
  feed_rest
  [ "$(colours out.nut | wc -l)" -eq 50 ]
  near "$(colours out.nut | head -n 1)" 115 96 128
  near "$(colours out.nut | tail -n 1)" 64 96 204
  # One change, and no colour in between.
  [ "$(colours out.nut | uniq | wc -l)" -le 4 ]
  diff <(times in.nut v:0) <(times out.nut v:0)
}

@test "a refused control line is answered with its sentence and changes nothing" {
  start_half --control "$WORK/fx.sock" red_tint:intensity=0.2
  ask '{"intensity":7}' nonsense '[{"effect":"invert"},{"effect":"sparkle"}]' '{}' >answers
  [ "$(sed -n 1p answers)" = '{"ok":false,"error":"intensity of red_tint must be a number from -1 to 1, not 7"}' ]
  [ "$(sed -n 2p answers)" = '{"ok":false,"error":"the update is not valid JSON"}' ]
  [[ "$(sed -n 3p answers)" == *'unknown effect \"sparkle\"'* ]]
  [ "$(sed -n 4p answers)" = '{"ok":true}' ]
  feed_rest
  near "$(colours out.nut | tail -n 1)" 115 96 128
  [ ! -e fx.sock ]
}

@test "a control peer that dies in the middle of a line harms nothing" {
  start_half --control fd:8 red_tint:intensity=0.2 8< <(printf '{"intensity":0.')
  feed_rest
  [ "$(colours out.nut | wc -l)" -eq 50 ]
  near "$(colours out.nut | tail -n 1)" 115 96 128
}

@test "a plugin takes new parameters while it runs, and refuses them with its own sentence" {
  start_half --control "$WORK/fx.sock" "$(plugin example),gain=0"
  [[ "$(ask '{"mode":"refuse","gain":0.9}')" == *'"ok":false'*'there is no mode'* ]]
  [[ "$(ask '{"gain":7}')" == *'gain of this plugin must be a number from 0 to 1'* ]]
  [[ "$(ask '{"gain":0.3}')" == *'"ok":true'* ]]
  feed_rest
  near "$(colours out.nut | head -n 1)" 64 96 128
  near "$(colours out.nut | tail -n 1)" 141 96 128
  [ "$(colours out.nut | wc -l)" -eq 50 ]
}

@test "an effect that takes seconds to load does not hold up the video" {
  flat_clip in.ts 2 0x406080
  trickle-decode in.ts >in.nut
  mkfifo feed
  # shellcheck disable=SC2016 # bash -c is given its own arguments
  background bash -c 'exec trickle-fx --control "$1" red_tint:intensity=0 <feed' - "$WORK/fx.sock" >out.nut 2>fx.log
  FX=$LAST
  exec 7>feed
  head -c 400 in.nut >&7
  wait_until 10 test -S fx.sock
  # The answer comes when the plugin is loaded; all frames have gone through by then.
  ask "{\"effect\":\"plugin\",\"path\":\"$ROOT/build/release/tests/plugins/example.so\",\"load_seconds\":5}" >answer &
  local asking=$!
  wait_until 10 test -e asked
  tail -c +401 in.nut >&7
  most_came_out() { [ "$(stat -c %s out.nut)" -gt $((64 * 48 * 48 * 3 / 2)) ]; }
  wait_until 10 most_came_out
  [ ! -s answer ]
  exec 7>&-
  wait "$FX"
  wait "$asking" || true
  [ "$(times out.nut v:0 | wc -l)" -eq 50 ]
}

@test "show_loading puts the panel over the frames until it is taken back" {
  start_half --control "$WORK/fx.sock" red_tint:intensity=0
  ask '{"show_loading":"yes"}' '{"show_loading":true,"intensity":9}' '{"loading_progress":2}' \
    '{"show_loading":true,"loading_message":" ","loading_progress":0.5}' >answers
  [ "$(sed -n 1p answers)" = '{"ok":false,"error":"show_loading must be true or false"}' ]
  [[ "$(sed -n 2p answers)" == *'intensity of red_tint must be'* ]]
  [[ "$(sed -n 3p answers)" == *'loading_progress must be a number from 0 to 1'* ]]
  [ "$(sed -n 4p answers)" = '{"ok":true}' ]
  feed_rest
  near "$(colours out.nut | head -n 1)" 64 96 128
  near "$(colours out.nut | tail -n 1)" 13 19 26
  trickle-fx --show-loading none <in.nut >out.nut
  run ! near "$(colours out.nut | tail -n 1)" 64 96 128
  diff <(times in.nut v:0) <(times out.nut v:0)
}
