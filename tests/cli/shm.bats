# Frames through shared memory: the same streams, without copying; and what happens where that can't work.

# bats sets $output, $stderr and $lines.
# shellcheck disable=SC2154

load helpers

setup() { common_setup; }
teardown() { common_teardown; }

# hashes_of_input: of each picture of the frames or media on standard input.
hashes_of_input() { ffmpeg -nostdin -v error -i - -map 0:v -vsync passthrough -f framemd5 - | grep -v '^#' | awk '{ print $NF }'; }

@test "the chain through shared memory writes what it writes through pipes" {
  make_clip in.ts 3 320x240 30 -bf 2 -preset fast
  for chain in none red_tint; do
    trickle-decode in.ts | trickle-fx $chain | trickle-encode >pipe.ts
    trickle-decode --shm in.ts 2>decode.log | trickle-fx --shm $chain 2>fx.log | trickle-encode >shm.ts
    cmp pipe.ts shm.ts
    # What fx and encode read was descriptors: 90 frames of 115 kB would be 10 MB.
    [[ $(cat decode.log) == *'passed 90 on ('* && $(cat decode.log) != *'passed 90 on (9.'* ]]
  done
  TRICKLE_TRANSPORT=shm bash -c 'trickle-decode in.ts | trickle-fx red_tint | trickle-encode' >shm.ts
  cmp pipe.ts shm.ts
}

@test "in-place effects never touch what the decoder still refers to" {
  make_clip in.ts 3 320x240 30 -bf 3 -preset fast -refs 4
  trickle-decode --shm in.ts | trickle-fx --shm invert | trickle-fx --shm invert | hashes_of_input >twice
  trickle-decode in.ts | trickle-fx invert | trickle-fx invert | hashes_of_input >pipes
  cmp twice pipes
}

@test "a reader that is not ours gets plain pictures" {
  make_clip in.ts 2
  trickle-decode --shm in.ts | hashes_of_input >got
  trickle-decode in.ts | hashes_of_input >expected
  [ "$(wc -l <expected)" -eq 60 ]
  cmp expected got
}

@test "frames that come through another program are read as well, and that is said" {
  make_clip in.ts 2
  trickle-decode --shm in.ts | cat | trickle-encode >out.ts 2>encode.log
  grep -q 'not through shared memory: the frames did not come straight from their writer' encode.log
  [ "$(count_frames out.ts)" -eq 60 ]
}

@test "a file gets plain frames, and that is said" {
  make_clip in.ts 1
  trickle-decode --shm in.ts >frames.nut 2>decode.log
  grep -q 'not through shared memory: it is no pipe' decode.log
  [ "$(trickle-encode frames.nut | ffprobe -v error -count_frames -select_streams v -show_entries stream=nb_read_frames -of csv=p=0 - | head -n 1 | tr -d ,)" -eq 30 ]
}

@test "another user's frames come through the pipe" {
  [ "$(id -u)" -eq 0 ] || skip 'only root can start programs as somebody else'
  make_clip in.ts 2
  chmod a+rx "$WORK" && chmod a+r in.ts
  # A reader that may not trace the writer: no capabilities, another user.
  trickle-decode --shm in.ts |
    setpriv --reuid 65534 --regid 65534 --clear-groups "$(command -v trickle-encode)" 2>encode.log >out.ts
  grep -q 'not through shared memory: .*Permission denied' encode.log
  [ "$(count_frames out.ts)" -eq 60 ]
}

@test "size changes and audio travel through shared memory" {
  make_clip small.ts 1 320x240
  make_clip large.ts 1 640x360 30 -output_ts_offset 1
  cat small.ts large.ts | trickle-decode --shm | trickle-fx --shm none | trickle-encode >again.ts
  ffprobe -v error -select_streams v -show_entries frame=width -of csv=p=0 again.ts | tr -d , | grep . | sort | uniq -c >widths
  [ "$(awk '{ print $1 ":" $2 }' widths | tr '\n' ' ')" = '30:320 30:640 ' ]
  [ "$(ffprobe -v error -select_streams a -count_packets -show_entries stream=nb_read_packets -of csv=p=0 again.ts | head -n 1 | tr -d ,)" -ge 70 ]
}

@test "a slow reader holds the writer up, and no frame is lost" {
  make_clip in.ts 2
  trickle-decode --shm in.ts 2>decode.log | trickle-encode --preset slow --threads 1 >out.ts
  [ "$(count_frames out.ts)" -eq 60 ]
}

@test "whichever side is killed at whatever moment, the other ends and nothing is left behind" {
  make_clip in.ts 5 320x240
  ls /dev/shm >before
  for ((round = 0; round < ${TRICKLE_KILL_ROUNDS:-12}; ++round)); do
    # Anonymous pipes: whoever is killed before it has opened a FIFO would leave its neighbour waiting for it there.
    rm -f pid.*
    { sh -c 'echo $$ >pid.0; exec trickle-decode --shm in.ts' 2>decode.log |
      sh -c 'echo $$ >pid.1; exec trickle-fx --shm red_tint' 2>fx.log |
      sh -c 'echo $$ >pid.2; exec trickle-encode' >out.ts 2>encode.log; } 3>&- &
    local chain=$!
    wait_until 20 test -s pid.0 -a -s pid.1 -a -s pid.2
    BACKGROUND=("$(cat pid.0)" "$(cat pid.1)" "$(cat pid.2)")
    sleep "0.$(printf %03d $((RANDOM % 250)))"
    local victim=${BACKGROUND[RANDOM % 3]}
    kill -KILL "$victim" 2>/dev/null || true
    # The others end by themselves; one that hangs is found by the deadline.
    for pid in "${BACKGROUND[@]}"; do wait_until 20 bash -c "! kill -0 $pid 2>/dev/null"; done
    wait "$chain" || true
    BACKGROUND=()
    [[ $(cat decode.log fx.log encode.log) != *anitizer* ]]
  done
  ls /dev/shm >after
  cmp before after
}

@test "a writer that is killed is an error of its reader, with a sentence" {
  make_clip in.ts 5 320x240
  mkfifo frames held
  exec 8<>held
  trickle-decode --shm >frames 2>decode.log <held 3>&- 8>&- &
  local decode=$!
  trickle-encode <frames >out.ts 2>encode.log 3>&- 8>&- &
  local encode=$!
  BACKGROUND=("$decode" "$encode")
  cat in.ts >held
  wait_until 10 test -s out.ts
  kill -KILL "$decode"
  local status=0
  wait "$encode" || status=$?
  [ $status -eq 1 ]
  grep -q 'the program that wrote the frames died' encode.log
  exec 8>&-
}

@test "--transport takes pipe and shm, and nothing else" {
  run -2 --separate-stderr trickle-decode --transport carrier-pigeon
  [[ $stderr == *carrier-pigeon* ]]
  make_clip in.ts 1
  trickle-decode --transport shm in.ts | trickle-encode >out.ts
  [ "$(count_frames out.ts)" -eq 30 ]
}
