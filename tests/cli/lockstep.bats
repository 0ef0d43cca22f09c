# Without delay: each picture comes out before the next one goes in. A source that waits for each picture shows that
# without a clock; how long each took is printed for whoever looks.

# bats sets $output, $stderr and $lines.
# shellcheck disable=SC2154

load helpers

setup() {
  common_setup
  write_lockstep
}
teardown() { common_teardown; }

# lockstep.py IN.ts KIND LAG COMMAND: feeds COMMAND one picture of IN.ts at a time, each only when the one LAG places
# before it has come out. KIND: "ts", where a picture is out when its whole PES packet is; "stamps", a line with the
# time for each; or the bytes of a picture.
write_lockstep() {
  cat >lockstep.py <<'PYTHON'
import os, select, subprocess, sys, time

data, kind, lag = open(sys.argv[1], 'rb').read(), sys.argv[2], int(sys.argv[3])
VIDEO = 0x100


def starts_video(packet):
    return (packet[1] & 0x1f) << 8 | packet[2] == VIDEO and packet[1] & 0x40


def pictures_in_ts(out):
    whole, missing = 0, 0
    for at in range(0, len(out) - 187, 188):
        packet = out[at:at + 188]
        if (packet[1] & 0x1f) << 8 | packet[2] != VIDEO or not packet[3] & 0x10:
            continue
        payload = packet[4 + (1 + packet[4] if packet[3] & 0x20 else 0):]
        if packet[1] & 0x40:
            length = payload[4] << 8 | payload[5]
            assert length, 'a picture does not say how long it is'
            missing = length + 6
        missing -= len(payload)
        whole += missing == 0
    return whole


def pictures_in(out):
    if kind == 'ts':
        return pictures_in_ts(out)
    return out.count(b'\n') if kind == 'stamps' else len(out) // int(kind)


process = subprocess.Popen(['bash', '-c', 'set -o pipefail; ' + sys.argv[4]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
os.set_blocking(process.stdout.fileno(), False)
starts = [at for at in range(0, len(data), 188) if starts_video(data[at:at + 188])]
assert len(starts) > 20
sent, out, delays = [], b'', []
fed = 0
for number, end in enumerate(starts[1:] + [len(data)], 1):
    process.stdin.write(data[fed:end])
    process.stdin.flush()
    fed = end
    sent.append(time.monotonic())
    while pictures_in(out) < number - lag:
        assert select.select([process.stdout], [], [], 30)[0], 'picture %d did not come' % (number - lag)
        piece = os.read(process.stdout.fileno(), 1 << 20)
        assert piece, 'it ended after picture %d' % pictures_in(out)
        out += piece
    if number > 2 and not lag:
        delays.append(time.monotonic() - sent[-1])
process.stdin.close()
os.set_blocking(process.stdout.fileno(), True)
out += process.stdout.read()
assert process.wait() == 0
assert pictures_in(out) == len(starts), (pictures_in(out), len(starts))
if delays:
    print('each picture came %.1f ms after it was sent (median; at most %.1f)' %
          (1000 * sorted(delays)[len(delays) // 2], 1000 * max(delays)))
PYTHON
}

# clip FILE [FFMPEG OPTIONS…]: every picture of which says how long it is.
clip() {
  local file=$1
  shift
  make_clip "$file" 1 160x120 30 -omit_video_pes_length 0 "$@"
}

@test "pictures leave decode, fx and encode before the next one comes, by pipe and shared memory, whatever the sound does" {
  clip plain.ts
  # As FFmpeg's muxer does by itself: eleven audio frames to a PES packet.
  clip packed.ts -pes_payload_size 2930
  ffmpeg -nostdin -v error -i plain.ts -an -c copy -omit_video_pes_length 0 -f mpegts silent.ts
  for name in plain packed silent; do
    python3 lockstep.py $name.ts ts 0 'trickle-decode 2>/dev/null | trickle-encode 2>/dev/null'
    python3 lockstep.py $name.ts ts 0 'trickle-decode --shm 2>/dev/null | trickle-fx --shm red_tint 2>/dev/null | trickle-encode 2>/dev/null'
    python3 lockstep.py $name.ts ts 0 'trickle-fx red_tint 2>/dev/null'
  done
}

@test "a reader in Python sees each frame as it is written" {
  /usr/bin/python3 -c 'import av' 2>/dev/null || skip 'PyAV is not installed'
  clip in.ts
  cat >reader.py <<'PYTHON'
import av, time
container = av.open('pipe:0', format='nut', options={'probesize': '32', 'analyzeduration': '0'})
for frame in container.decode(video=0):
    print(frame.pts, time.monotonic(), flush=True)
PYTHON
  python3 lockstep.py in.ts stamps 1 'trickle-decode 2>/dev/null | /usr/bin/python3 reader.py'
}

@test "ffmpeg sees each frame as it is written" {
  clip in.ts
  python3 lockstep.py in.ts $((160 * 120 * 3 / 2)) 1 'trickle-decode 2>/dev/null |
    ffmpeg -v error -probesize 32 -analyzeduration 0 -f nut -threads 1 -i - -map 0:v -vsync passthrough -threads 1 -f rawvideo -flush_packets 1 -'
}
