#!/usr/bin/env bats
# trickle-fx: the user's own code, in plugins and programs.

load fx_helpers

@test "a plugin changes the picture in the pixel format it asks for, and the sound" {
  flat_clip in.ts 1 0x406080
  trickle-decode in.ts >in.nut
  trickle-fx "$(plugin example),gain=0.3" <in.nut >out.nut
  [[ "$(shape out.nut | head -n 1)" == rawvideo,*,yuv420p ]]
  near "$(colours out.nut | sed -n 5p)" 141 96 128
  diff <(times in.nut v:0) <(times out.nut v:0)
  local before after
  before=$(loudness in.nut) after=$(loudness out.nut)
  ((after >= before - 12 && after <= before - 9)) || { echo "$before $after" && return 1; }
  trickle-fx "$(plugin template)" amount=1 <in.nut >out.nut
  near "$(colours out.nut | sed -n 5p)" 0 6 38
  trickle-fx "$(plugin example),mode=half" <in.nut >out.nut
  [ "$(shape out.nut | head -n 1)" = rawvideo,32,24,yuv420p ]
  trickle-fx "$(plugin example),mode=drop_odd" <in.nut >out.nut
  [ "$(times out.nut v:0 | wc -l)" -eq 12 ]
}

@test "a frame's user data goes from plugin to plugin" {
  flat_clip in.ts 1 0x406080
  trickle-decode in.ts >in.nut
  trickle-fx "$(plugin example),mode=tag" red_tint "$(plugin example),mode=read_tag" <in.nut >out.nut 2>fx.log
  grep -q 'the frame says: frame 7' fx.log
  [ "$(grep -c 'the frame says' fx.log)" -eq 25 ]
}

@test "what is no plugin, or one of another version, is refused with a sentence" {
  refused() {
    run -2 trickle-fx "${@:2}" </dev/null
    [[ "$output" == *"$1"* ]] || { echo "$output" && return 1; }
    [ "$(wc -l <<<"$output")" -eq 1 ]
  }
  refused 'plugin: path is missing' plugin
  refused 'cannot open shared object file' plugin:path=/nowhere/libx.so
  refused 'file too short' plugin:path=/dev/null
  refused 'no plugin: it has no function trickle_effect_plugin_entry' "$(plugin no_entry)"
  refused 'made for version 2 of the plugin interface, and this program has version 1' "$(plugin next_version)"
  refused 'has no parameter "colour"' "$(plugin template),colour=red"
  refused 'amount of this plugin must be a number from 0 to 1, not "7"' "$(plugin template),amount=7"
  refused 'there is no mode "refuse"' "$(plugin example),mode=refuse"
}

@test "a plugin that fails on a frame lets it pass as it came; one that crashes takes its filter along" {
  flat_clip in.ts 1 0x406080
  trickle-decode in.ts >in.nut
  trickle-fx --stats stats.json "$(plugin example),mode=fail_on_7" <in.nut >out.nut 2>fx.log
  untouched '1 0 0'
  grep -q 'failed, and 1 frames passed it unchanged: .*seven is too many' fx.log
  grep -q 'processed 25 frames of 25, .* 1 passed an effect that failed on them' fx.log
  [ "$(times out.nut v:0 | wc -l)" -eq 25 ]
  near "$(colours out.nut | sed -n 7p)" 64 96 128
  run -139 bash -c "ulimit -c 0; exec trickle-fx '$(plugin example),mode=crash_on_7' <in.nut >out.nut"
  [ "$(times out.nut v:0 | wc -l)" -eq 6 ]
}

@test "exec runs a program on the frames, with every time stamp and the sound untouched" {
  make_clip in.ts 2
  trickle-decode in.ts >in.nut
  trickle-fx "exec:cmd='/usr/bin/python3 $ROOT/tests/examples/mirror.py'" <in.nut >out.nut
  trickle-fx flip <in.nut >expected.nut
  diff <(times in.nut v:0) <(times out.nut v:0)
  diff <(audio_hashes in.nut) <(audio_hashes out.nut)
  run -0 ffmpeg -nostdin -i expected.nut -i out.nut -lavfi psnr -f null -
  [ "$(grep -oE 'average:[0-9]+' <<<"$output" | tail -n 1 | cut -d: -f2)" -ge 35 ]
  trickle-fx exec cmd=cat <in.nut >out.nut
  diff <(times in.nut v:0) <(times out.nut v:0)
}

@test "exec starts a program that dies again, and what was in it passes as it came" {
  flat_clip in.ts 4 0x406080
  trickle-decode in.ts >in.nut
  # The first one dies with frames inside, the next ones live.
  cat >program <<'SH'
#!/bin/sh
if [ ! -e died ]; then
  touch died
  head -c 20000 >/dev/null
  exit 3
fi
exec trickle-fx red_tint:intensity=0.3
SH
  chmod +x program
  trickle-fx --stats stats.json exec:cmd=./program <in.nut >out.nut 2>fx.log
  diff <(times in.nut v:0) <(times out.nut v:0)
  near "$(colours out.nut | head -n 1)" 64 96 128
  near "$(colours out.nut | tail -n 1)" 141 96 128
  grep -q 'exec: ./program ended with exit code 3' fx.log
  [ "$(tail -n 1 stats.json | jq .restarts)" -eq 1 ]
  # The frame that found the program dead, and those that were in it.
  inside=$(sed -nE 's/.*; ([0-9]+) frames in it pass as they came.*/\1/p' fx.log | head -n 1)
  untouched "1 $((inside - 1)) 0"
  grep -q "1 passed an effect that failed on them, $((inside - 1)) came back as they were from a program" fx.log
  trickle-fx exec:cmd=/no/such/program <in.nut >out.nut 2>fx.log
  diff <(times in.nut v:0) <(times out.nut v:0)
  grep -q 'ended with exit code 127' fx.log
}

@test "exec ends a program that hangs after its patience, and every frame goes through" {
  flat_clip in.ts 1 0x406080
  trickle-decode in.ts >in.nut
  # Reads everything and gives nothing.
  trickle-fx --stats stats.json --events events.json "exec:cmd='echo x >>started; cat >/dev/null; sleep 600',patience=0.2" \
    <in.nut >out.nut 2>fx.log
  diff <(times in.nut v:0) <(times out.nut v:0)
  diff <(audio_hashes in.nut) <(audio_hashes out.nut)
  near "$(colours out.nut | tail -n 1)" 64 96 128
  grep -q 'gave nothing for 0.2 s; 9 frames in it pass as they came' fx.log
  # Every frame went through untouched, and was counted as just that.
  [ "$(tail -n 1 stats.json | jq '.untouched | add')" -eq 25 ]
  # Once more at once, and then not for a while.
  [ "$(wc -l <started)" -ge 2 ]
  [ "$(jq -r 'select(.event == "effect_restarted").message' events.json | grep -c 'gave nothing')" -ge 2 ]
}

@test "--events tells what effects say, and when they fail" {
  flat_clip in.ts 1 0x406080
  trickle-decode in.ts >in.nut
  trickle-fx --events events.json "$(plugin example),mode=data" <in.nut >out.nut
  [ "$(wc -l <events.json)" -eq 25 ]
  [ "$(jq -s '[.[].data.brightness] | unique | length' events.json)" -eq 1 ]
  jq -e 'select(.data.brightness > 0.3 and .data.brightness < 0.45 and .time_ms > 0)' events.json >/dev/null
  trickle-fx --events fd:9 "$(plugin example),mode=fail_on_7" <in.nut >out.nut 9>events.json
  [ "$(jq -r .event events.json)" = effect_failed ]
  [[ "$(jq -r .message events.json)" == *'seven is too many'* ]]
  run -2 trickle-fx --events fd:77 none <in.nut
  [[ "$output" == *'--events fd:77: there is no such open descriptor'* ]]
}

@test "a TorchScript model works on encoded video and on frames; what it fails on passes, counted and told" {
  make_models
  flat_clip in.ts 1 0x406080
  trickle-decode in.ts >in.nut
  trickle-fx torchscript:model=models/red_tint.pt <in.ts >out.ts
  near "$(colours out.ts | sed -n 5p)" 141 96 128
  diff <(times in.ts v:0) <(times out.ts v:0)
  trickle-fx --events events.json torchscript:model=models/fails_on_frame_7.pt <in.nut >out.nut 2>fx.log
  diff <(times in.nut v:0) <(times out.nut v:0)
  diff <(audio_hashes in.nut) <(audio_hashes out.nut)
  [ "$(jq -r .event events.json)" = effect_failed ]
  grep -q 'processed 25 frames of 25, .* 1 passed an effect that failed on them' fx.log
}
