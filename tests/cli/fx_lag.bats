#!/usr/bin/env bats
# trickle-fx: effects that are slower than the video.

load fx_helpers

@test "with --on-lag drop an effect that stalls costs its frames alone, and the panel shows meanwhile" {
  live_frames 6 | trickle-fx --on-lag drop --overlay panel --stats stats.json \
    "$(plugin template),amount=0" "$(plugin example),stall_seconds=4,gain=0.3" --process-audio >out.nut
  every_frame_is_accounted_for
  # Red before, dim while the seventh frame takes its time, red again.
  near "$(colours out.nut | sed -n 3p)" 141 96 128
  dim=$(colours out.nut | awk '$3 < 60' | wc -l)
  ((dim >= 20))
  untouched "0 0 $dim"
  near "$(colours out.nut | tail -n 1)" 141 96 128
}

@test "an overlay of passthrough shows frames as they came while an effect is loaded" {
  live_frames 4 | trickle-fx --on-lag drop --overlay passthrough --stats stats.json red_tint:intensity=0 \
    "$(plugin example),load_seconds=2.5,gain=0.3" >out.nut
  every_frame_is_accounted_for
  near "$(colours out.nut | head -n 1)" 64 96 128
  near "$(colours out.nut | tail -n 1)" 141 96 128
  untouched "0 0 $(colours out.nut | awk '$1 < 100' | wc -l)"
}

@test "with --on-lag block a slow effect loses nothing" {
  flat_clip in.ts 2 0x406080
  trickle-decode in.ts >in.nut
  trickle-fx "$(plugin example),stall_seconds=3,gain=0.3" <in.nut >out.nut
  diff <(times in.nut v:0) <(times out.nut v:0)
  [ "$(colours out.nut | uniq | wc -l)" -eq 1 ]
}

@test "with --on-lag drop a model that is slower than the video loses the oldest frames, counted, and no sound" {
  make_models
  live_frames 2 | trickle-fx --on-lag drop --stats stats.json torchscript:model=models/slow.pt,device=cpu >out.nut
  every_frame_is_accounted_for
  [ "$(tail -n 1 stats.json | jq .drops.lag)" -gt 0 ]
  diff <(audio_hashes live.ts) <(audio_hashes out.nut)
  # The newest frame is never dropped.
  near "$(colours out.nut | tail -n 1)" 64 96 128
  [ "$(times out.nut v:0 | tail -n 1)" = "$(times live.ts v:0 | tail -n 1)" ]
}
