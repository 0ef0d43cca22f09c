# Sound and picture stay together over a long and damaged stream: a flash and a beep each second, looked for in what
# comes out of decode and encode. TRICKLE_DRIFT_SECONDS=600 makes it the full ten minutes.

# bats sets $output, $stderr and $lines.
# shellcheck disable=SC2154

load helpers

setup() { common_setup; }
teardown() { common_teardown; }

# flash_and_beep FILE SECONDS: each second begins with one white picture and 60 ms of a tone.
flash_and_beep() {
  ffmpeg -nostdin -v error -y \
    -f lavfi -i "color=black:s=96x64:r=30:d=$2,drawbox=c=white:t=fill:enable='lt(mod(n,30),1)',format=yuv420p" \
    -f lavfi -i "aevalsrc='0.5*sin(2000*PI*t)*lt(mod(t,1),0.06)':s=48000:d=$2" \
    -c:v libx264 -preset ultrafast -tune zerolatency -g 30 -c:a aac -b:a 64k -f mpegts "$1"
}

# events FILE: "flash TIME" where it turns white, "beep TIME LENGTH" for each tone. (Where the pictures after a flash
# are lost, it stays white for a while.) One after the other: newer ffmpeg filters both at once, and mixes their lines.
events() {
  ffmpeg -nostdin -hide_banner -copyts -i "$1" -map 0:v \
    -vf 'signalstats,metadata=select:key=lavfi.signalstats.YAVG:value=200:function=greater,showinfo' -f null - 2>&1 |
    awk '/showinfo/ && match($0, /pts_time:[0-9.]+/) {
           time = substr($0, RSTART + 9, RLENGTH - 9)
           if (time - last > 0.15) print "flash", time
           last = time
         }'
  ffmpeg -nostdin -hide_banner -copyts -i "$1" -map 0:a -af silencedetect=n=-25dB:d=0.2 -f null - 2>&1 |
    awk '/silence_end/ { for (i = 1; i < NF; ++i) if ($i == "silence_end:") begin = $(i + 1) }
         /silence_start/ && begin { for (i = 1; i < NF; ++i) if ($i == "silence_start:") print "beep", begin, $(i + 1) - begin }
         /silence_start/ { begin = 0 }'
}

# damage SEED IN OUT SECONDS: bursts of lost packets, a lost second a minute, flipped bits, doubled packets.
damage() {
  python3 - "$@" <<'PYTHON'
import random, sys
rng = random.Random(int(sys.argv[1]))
data = bytearray(open(sys.argv[2], 'rb').read())
count, at = len(data) // 188, 40
second = count // int(sys.argv[4])
kept = [data[:188 * at]]
while at < count:
    run = rng.randrange(10, 120)
    piece = bytearray(data[188 * at:188 * (at + run)])
    at += run
    kind = rng.random()
    if kind < 0.4:
        at += rng.randrange(1, 6)  # A burst is lost.
    elif kind < 0.42:
        at += second  # A second is.
    elif kind < 0.6:
        for _ in range(rng.randrange(1, 6)):
            piece[rng.randrange(len(piece))] ^= 1 << rng.randrange(8)
    elif kind < 0.7:
        piece += piece[-188:]       # Sent twice.
    kept.append(piece)
open(sys.argv[3], 'wb').write(b''.join(kept))
PYTHON
}

# together SOURCE OUT LEAST: each flash of OUT stands where the source has one, with its beep as far from it as the
# source's within 40 ms. LEAST: the share of the source's pairs that must be found; some of them in its first and its
# last tenth. Beeps that lost a part are passed over.
together() {
  awk -v least="$3" '
    function abs(x) { return x < 0 ? -x : x }
    FNR == 1 { ++file }
    file == 1 && $1 == "flash" { flash[n++] = $2 }
    file == 1 && $1 == "beep" { beeps[b++] = $2; lengths[b - 1] = $3 }
    file == 2 && $1 == "flash" { out_flash[on++] = $2 }
    file == 2 && $1 == "beep" { out_beeps[ob++] = $2; out_lengths[ob - 1] = $3 }
    END {
      for (i = 0; i < n; ++i) {
        found = -1; beep = -1; out_beep = -1
        for (j = 0; j < on; ++j) if (abs(out_flash[j] - flash[i]) < 0.4) { found = j; break }
        for (j = 0; j < b; ++j) if (abs(beeps[j] - flash[i]) < 0.4) beep = j
        for (j = 0; j < ob; ++j) if (abs(out_beeps[j] - flash[i]) < 0.4) out_beep = j
        if (found < 0 || beep < 0 || out_beep < 0) continue
        if (abs(out_lengths[out_beep] - lengths[beep]) > 0.004) continue
        ++pairs
        drift = abs((out_beeps[out_beep] - out_flash[found]) - (beeps[beep] - flash[i]))
        if (drift > worst) { worst = drift; where = flash[i] }
        if (i < n / 10 || i < 3) ++early
        if (i >= n * 0.9 || i >= n - 3) ++late
      }
      printf "%d of %d pairs, %d early and %d late; the worst is off by %.1f ms at %.2f s\n", pairs, n, early, late, worst * 1000, where
      exit !(n > 0 && pairs >= least * n && early && late && worst <= 0.040)
    }' "$1" "$2"
}

@test "flash and beep stay together from the first second to the last, whatever was damaged on the way" {
  local seconds=${TRICKLE_DRIFT_SECONDS:-20} seed
  flash_and_beep in.ts "$seconds"
  events in.ts >source
  trickle-decode in.ts 2>/dev/null | trickle-encode --preset ultrafast >out.ts 2>/dev/null
  events out.ts >out
  run -0 together source out 0.95
  echo "undamaged: $output"
  for seed in 1 2 3; do
    damage $seed in.ts damaged.ts "$seconds"
    trickle-decode damaged.ts 2>decode.log | trickle-encode --preset ultrafast >out.ts 2>/dev/null
    events out.ts >out
    run together source out 0.3
    echo "seed $seed: $output"
    [ "$status" -eq 0 ]
    [[ $(cat decode.log) == *dropped* ]]
  done
}

@test "sound that is encoded anew keeps its place beside the picture" {
  flash_and_beep in.ts 6
  events in.ts >source
  for codec in aac opus; do
    trickle-decode in.ts 2>/dev/null | trickle-encode --preset ultrafast --audio $codec >out.ts 2>/dev/null
    events out.ts >out
    run together source out 0.8
    echo "$codec: $output"
    [ "$status" -eq 0 ]
  done
}

@test "flash and beep stay together through the whole chain of processes over a relay, damaged or not" {
  local seconds=${TRICKLE_DRIFT_SECONDS:-20} seed
  flash_and_beep in.ts "$seconds"
  events in.ts >source
  start_relay --window 100000
  for seed in 0 4; do
    cp in.ts damaged.ts
    [ $seed -eq 0 ] || damage $seed in.ts damaged.ts "$seconds"
    trickle-pub --keep-channel "$RELAY/in-$seed" <damaged.ts 2>pub.log
    trickle-sub --start oldest --segments "$(curl -s "$RELAY/in-$seed/next")" "$RELAY/in-$seed" 2>sub.log |
      trickle-decode --shm 2>decode.log | trickle-fx --shm none 2>fx.log | trickle-encode --preset ultrafast 2>encode.log |
      trickle-pub --keep-channel "$RELAY/out-$seed" 2>pub.log
    trickle-sub --start oldest --segments "$(curl -s "$RELAY/out-$seed/next")" "$RELAY/out-$seed" >out.ts 2>sub.log
    events out.ts >out
    run together source out "$([ $seed -eq 0 ] && echo 0.95 || echo 0.3)"
    echo "seed $seed: $output"
    [ "$status" -eq 0 ]
    [ $seed -eq 0 ] || [[ $(cat decode.log) == *dropped* ]]
  done
}
