#!/usr/bin/env bats
# trickle-bench: that each measurement runs, says what it should, and can fail. Nothing here judges a time.

load helpers

setup() {
  common_setup
}

teardown() {
  common_teardown
}

# json QUERY: of what the last run wrote.
json() {
  jq -r "$1" bench.json
}

# start_bare [OPTIONS]: sets BARE to its URL.
start_bare() {
  background trickle-bench bare --port-file "$WORK/bare.port" "$@" 2>bare.log
  wait_until 10 test -s "$WORK/bare.port"
  BARE=http://127.0.0.1:$(cat "$WORK/bare.port")/
}

@test "relay measures a relay of its own and the bare loop, and every byte is right" {
  trickle-bench relay --subscribers 20 --publishers 2 --rate 50 --chunk 1K --segment 200ms --duration 1s --bare \
    --json bench.json >table 2>bench.log
  grep -q '^trickle-relay  *20 ' table
  grep -q '^bare loop  *20 ' table
  [ "$(json '.servers | length')" = 2 ]
  [ "$(json '[.servers[].rounds[] | .lost_bytes, .wrong_bytes, .subscribers_cut] | add')" = 0 ]
  # Ten subscribers of each channel, and all of them got what was published.
  [ "$(json '[.servers[].rounds[0].deliveries % 10] | add')" = 0 ]
  [ "$(json '[.servers[].rounds[0].deliveries] | min > 100')" = true ]
  [ "$(json '[.servers[].rounds[0].server_cpu_us_per_delivery] | min > 0')" = true ]
  [ "$(json '.servers[0].summary.delay_p50_ms | .min > 0 and .min <= .median and .median <= .max')" = true ]
  [ "$(json '.servers[0].cpu_ratio > 0')" = true ]
}

@test "relay finds a running server by its URL and by its process" {
  start_relay
  trickle-bench relay --server "$RELAY" --server "$RELAY_PID" --subscribers 4 --chunk 100 --duration 300ms \
    --segment 100ms --rounds 2 --json bench.json >table
  [ "$(json '[.servers[].rounds | length] | unique | .[0]')" = 2 ]
  [ "$(json '[.servers[].rounds[].deliveries] | min > 0')" = true ]
}

@test "relay publishes as fast as it is read when unpaced, and loses nothing" {
  trickle-bench relay --unpaced --subscribers 5 --publishers 2 --duration 1s --json bench.json >table
  [ "$(json '.servers[0].rounds[0].lost_bytes')" = 0 ]
  [ "$(json '.servers[0].rounds[0].deliveries > 1000')" = true ]
}

@test "relay asks for one segment after the other without preconnect" {
  trickle-bench relay --no-preconnect --subscribers 5 --chunk 200 --segment 100ms --duration 500ms \
    --json bench.json >table
  [ "$(json '.servers[0].rounds[0].lost_bytes')" = 0 ]
  [ "$(json '.servers[0].rounds[0].deliveries > 10')" = true ]
}

@test "relay leaves stalled subscribers out of its figures" {
  trickle-bench relay --stalled 20 --subscribers 10 --duration 500ms --json bench.json >table
  [ "$(json '[.servers[].stalled] | join(",")')" = 0,2 ]
  [ "$(json '[.servers[].rounds[0].lost_bytes] | add')" = 0 ]
}

@test "relay says so and exits 6 when a server spoils bytes" {
  start_bare --flip-every 50
  run trickle-bench relay --server "$BARE" --subscribers 5 --duration 1s --json bench.json
  [ "$status" -eq 6 ]
  [[ $output == *"bytes were not those published"* ]]
  [ "$(json '.servers[0].rounds[0].wrong_bytes > 0')" = true ]
}

@test "relay says so when a server goes away" {
  start_relay
  trickle-bench relay --server "$RELAY" --subscribers 5 --chunk 100 --segment 100ms --duration 30s 2>bench.log &
  bench=$!
  wait_until 10 sh -c "curl -s $RELAY/_channels | grep -q '\"next\":[1-9]'"
  kill -KILL "$RELAY_PID"
  status=0
  wait "$bench" || status=$?
  [ "$status" -eq 5 ]
  grep -q error bench.log
}

@test "relay refuses what it can't do" {
  run trickle-bench relay --chunk 3
  [ "$status" -eq 2 ]
  [[ $output == *"at least 16 bytes"* ]]
  run trickle-bench relay --subscribers 99999
  [ "$status" -eq 2 ]
  [[ $output == *"descriptors"* ]]
  run trickle-bench relay --server 127.0.0.1
  [ "$status" -eq 2 ]
  run trickle-bench
  [ "$status" -eq 2 ]
}

@test "capacity finds how many subscribers are served in time" {
  trickle-bench relay --capacity --max-subscribers 250 --subscribers 250 --chunk 100 --rate 10 --duration 500ms \
    --max-delay 10000 --json bench.json >table
  [ "$(json '.servers[0].subscribers.median == 250')" = true ]
}

@test "startup times every program" {
  trickle-bench startup --rounds 1 --json bench.json >table
  [ "$(json '.programs | length')" = 8 ]
  [ "$(json '[.programs[].ms.median] | min > 0')" = true ]
  grep -q '^trickle-relay  *it listens ' table
}

@test "cutter cuts a clip, and what comes out is the clip" {
  make_clip clip.ts 2
  trickle-bench cutter --rounds 1 --json bench.json clip.ts >table 2>bench.log
  [ "$(json '.segments')" = 2 ]
  [ "$(json '.cutter_gb_per_s.median > 0')" = true ]
  # What is damaged can't come out as it was.
  head -c 100000 clip.ts >damaged.ts
  printf 'damage' | dd of=damaged.ts bs=1 seek=50000 conv=notrunc status=none
  head -c 1000 /dev/urandom >>damaged.ts
  tail -c +1000 clip.ts >>damaged.ts
  run trickle-bench cutter --rounds 1 damaged.ts
  [ "$status" -eq 6 ]
  run trickle-bench cutter --rounds 1 nowhere.ts
  [ "$status" -eq 2 ]
}

@test "fx measures each colour effect on each pixel format" {
  trickle-bench fx --size 64x48 --rounds 1 --json bench.json >table
  [ "$(json '[.results[].format] | unique | length')" = 12 ]
  [ "$(json '[.results[] | .ns_per_pixel, .copy_ratio] | min > 0')" = true ]
  [ "$(json '[.results[] | select(.effect == "red_tint") | .ffmpeg_ratio] | min > 0')" = true ]
  trickle-bench fx --size 64x48 --rounds 1 --effect invert --pix-fmt rgb24 --json bench.json >table
  [ "$(json '.results | length')" = 1 ]
  trickle-bench fx --size 64x48 --rounds 1 --effect 'sepia gamma:gamma=2' --pix-fmt nv12 --json bench.json >table
  [ "$(json '.results[0].effect')" = 'sepia gamma:gamma=2' ]
  run trickle-bench fx --effect nosuch
  [ "$status" -eq 2 ]
  run trickle-bench fx --pix-fmt nosuch
  [ "$status" -eq 2 ]
}

@test "frames sends frames through pipes and shared memory, and each comes out as it was" {
  trickle-bench frames --size 320x240 --frames 20 --rounds 1 --json bench.json >table
  [ "$(json '.transports | length')" = 7 ]
  [ "$(json '[.transports[] | .fps[0], .cpu_ms_per_frame[0]] | min > 0')" = true ]
  run trickle-bench frames --pix-fmt nosuch
  [ "$status" -eq 2 ]
}

@test "chain runs the tools against ffmpeg, and every frame comes out" {
  trickle-bench chain --size 160x120 --fps 10 --seconds 2 --rounds 1 --json bench.json >table
  [ "$(json '.frames')" = 20 ]
  [ "$(json '[.sides[].fps[0]] | min > 0')" = true ]
  [ "$(json '.cpu_ms_per_frame_by_process | keys | join(" ")')" = "decode encode fx pub relay sub" ]
  grep -q 'all 20 frames came out' table
}

@test "chain measures the delay of each frame" {
  trickle-bench chain --latency --effect none --pipes --size 160x120 --fps 10 --seconds 3 --rounds 1 \
    --json bench.json >table
  [ "$(json '.rounds[0].missing')" = 0 ]
  [ "$(json '.rounds[0] | .p50_ms > 0 and .p50_ms <= .p99_ms and .first_frame_ms > 0')" = true ]
}

@test "serve times the start of a stream, with spare programs and without" {
  trickle-bench serve --size 160x120 --fps 10 --seconds 4 --rounds 1 --json bench.json >table
  [ "$(json '[.sides[].first_byte_ms | length] | join(" ")')" = '1 1' ]
  [ "$(json '[.sides[] | .answered_ms[0], .first_byte_ms[0]] | min > 0')" = true ]
}

@test "serve measures a stream under load, and every frame comes out" {
  trickle-bench serve --load --size 160x120 --fps 10 --seconds 3 --rounds 1 --json bench.json >table
  [ "$(json '.frames')" = 30 ]
  [ "$(json '.sides[0] | .missing')" = 0 ]
  [ "$(json '[.sides[0] | .fps[0], .cpu_ms_per_frame[0], .p50_ms[0], .running_pss_mb[0], .ready_ms[0]] | min > 0')" = true ]
}

@test "serve says what --capacity and --peer need" {
  run trickle-bench serve --capacity --seconds 3
  [ "$status" -eq 2 ]
  run trickle-bench serve --load --peer /nowhere/python
  [ "$status" -eq 2 ]
}

@test "serve searches for the most streams" {
  [ -n "${TRICKLE_TEST_CAPACITY:-}" ] || skip "takes 20 s: set TRICKLE_TEST_CAPACITY=1"
  trickle-bench serve --capacity --size 160x120 --fps 10 --seconds 5 --rounds 1 --max-streams 1 --max-delay 60000 \
    --json bench.json >table
  [ "$(json '[.rounds[0][].streams] | join(" ")')" = '1 1' ]
}

@test "chain says so when a program of it fails" {
  run trickle-bench chain --size 160x120 --fps 10 --seconds 2 --effect nosuch --graph null --rounds 1
  [ "$status" -eq 1 ]
  [[ $output == *"trickle-fx failed"* ]]
  run trickle-bench chain --size big
  [ "$status" -eq 2 ]
}

@test "trickle-bench's --help pages are as documented" {
  golden trickle-bench.help trickle-bench --help
  for command in relay chain serve frames fx cutter startup bare; do golden "trickle-bench-$command.help" trickle-bench "$command" --help; done
}
