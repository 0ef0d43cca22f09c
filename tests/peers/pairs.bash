# Publishers and subscribers of both sides, joined over one server, byte for byte. Sourced by scripts/test_peers, which
# sets BIN, WORK and, where pytrickle takes part, PYTHON and PYTHONPATH.

PIPE=tests/peers/pytrickle_pipe.py
PACE=(python3 "$PIPE" pace)

publish_ours() { "${PACE[@]}" | "$BIN/trickle-pub" --split bytes:16384 --keep-channel "$1"; }
publish_pytrickle() { "$PYTHON" "$PIPE" publish "$1"; }
subscribe_ours() { "$BIN/trickle-sub" --log-level debug --start 0 "$1"; }
subscribe_pytrickle() { "$PYTHON" "$PIPE" subscribe "$1"; }

# ends PID: waits for it, 30 s at most. Its exit status.
ends() {
  for ((i = 0; i < 600; ++i)); do
    kill -0 "$1" 2>/dev/null || break
    sleep 0.05
  done
  kill "$1" 2>/dev/null && die "$2 does not end"
  wait "$1"
}

# has_bytes FILE SIZE: waits until it has, 20 s at most.
has_bytes() {
  for ((i = 0; i < 400; ++i)); do
    [ "$(stat -c %s "$1")" -ge "$2" ] && return
    sleep 0.05
  done
  die "$1 has $(stat -c %s "$1") of $2 bytes"
}

# listens PID: waits until the subscriber has asked for its first segment, or ended: servers keep few.
listens() {
  until grep -q GET "$WORK/reader.log" || ! kill -0 "$1" 2>/dev/null; do sleep 0.05; done
}

# pair PUBLISHER SUBSCRIBER SERVER-URL NAME-OF-SERVER
pair() {
  local url=$3/$1-$2 reader
  curl -sf -X POST -H 'Expect-Content: application/octet-stream' "$url"
  "subscribe_$2" "$url" >"$WORK/out" 2>"$WORK/reader.log" &
  reader=$!
  listens "$reader"
  "publish_$1" "$url" <"$WORK/in" 2>"$WORK/writer.log" || die "$1 fails to publish: $(tail -n 3 "$WORK/writer.log")"
  has_bytes "$WORK/out" "$(stat -c %s "$WORK/in")"
  curl -sf -X DELETE "$url"
  ends "$reader" "subscriber of $2" || die "subscriber of $2 fails: $(tail -n 3 "$WORK/reader.log")"
  cmp "$WORK/in" "$WORK/out" || die "publisher of $1, subscriber of $2 over $4: bytes differ"
  echo "ok: publisher of $1, subscriber of $2 over $4: every byte of $(($(stat -c %s "$WORK/in") / 16384)) segments"
}

# A publisher that is killed in mid-stream and comes back is heard by who listens already.
restart() {
  local url=$1/restart reader writer
  "$BIN/trickle-sub" --wait=20 --start 0 "$url" >"$WORK/out" 2>"$WORK/reader.log" &
  reader=$!
  "${PACE[@]}" <"$WORK/in" 2>/dev/null | "$BIN/trickle-pub" --split bytes:16384 "$url" 2>"$WORK/writer.log" &
  writer=$!
  has_bytes "$WORK/out" 50000
  kill -KILL "$writer"
  wait "$writer" 2>/dev/null || true
  "${PACE[@]}" <"$WORK/in2" | "$BIN/trickle-pub" --split bytes:16384 "$url" 2>"$WORK/writer.log" ||
    die "trickle-pub fails after a restart: $(tail -n 3 "$WORK/writer.log")"
  ends "$reader" trickle-sub || die "trickle-sub fails: $(tail -n 3 "$WORK/reader.log")"
  local second
  second=$(stat -c %s "$WORK/in2")
  tail -c "$second" "$WORK/out" | cmp - "$WORK/in2" || die "not what was published after the restart over $2"
  head -c -"$second" "$WORK/out" | cmp -n "$(($(stat -c %s "$WORK/out") - second))" - "$WORK/in" ||
    die "not what was published before the restart over $2"
  echo "ok: a publisher that is killed and comes back over $2"
}

# A clip in real time, cut at its keyframes.
clip() {
  local url=$1/clip reader
  scripts/make_clip "$WORK/clip.ts" 4 320x240 25
  "$BIN/trickle-sub" --wait=20 --start 0 "$url" >"$WORK/out" 2>"$WORK/reader.log" &
  reader=$!
  ffmpeg -nostdin -loglevel error -re -i "$WORK/clip.ts" -c copy -f mpegts - | tee "$WORK/clip.sent" |
    "$BIN/trickle-pub" "$url" 2>"$WORK/writer.log" || die "trickle-pub fails: $(tail -n 3 "$WORK/writer.log")"
  ends "$reader" trickle-sub || die "trickle-sub fails: $(tail -n 3 "$WORK/reader.log")"
  cmp "$WORK/clip.sent" "$WORK/out" || die "the clip differs over $2"
  echo "ok: a clip in real time over $2: $(grep -o 'published .*' "$WORK/writer.log")"
}

# What is in a channel that nobody writes any more: the newest two, the newest, and what it says of them.
starts() {
  local url=$1/starts
  printf '1\n2\n3\n4\n' | "$BIN/trickle-pub" --split line --keep-channel "$url" 2>/dev/null
  [ "$("$BIN/trickle-sub" --start -3 --segments 2 "$url" 2>/dev/null)" = 34 ] || die "--start -3 over $2"
  [ "$("$BIN/trickle-sub" --segments 1 "$url" 2>/dev/null)" = 4 ] || die "--start current over $2"
  "$BIN/trickle-sub" --info "$url" 2>/dev/null | grep -q 'next *4' || die "--info over $2"
  curl -sf -X DELETE "$url"
  echo "ok: starts and --info over $2"
}

missing() {
  local status=0
  "$BIN/trickle-sub" "$1/missing" 2>/dev/null || status=$?
  [ $status = 3 ] || die "a channel that is missing on $2 ends trickle-sub with $status, not 3"
  echo "ok: a channel that is missing over $2"
}

# all_pairs SERVER-URL NAME-OF-SERVER PEERS…
all_pairs() {
  local publisher subscriber
  head -c 400000 /dev/urandom >"$WORK/in"
  head -c 200000 /dev/urandom >"$WORK/in2"
  for publisher in "${@:3}"; do
    for subscriber in "${@:3}"; do pair "$publisher" "$subscriber" "$1" "$2"; done
  done
  restart "$1" "$2"
  clip "$1" "$2"
  starts "$1" "$2"
  missing "$1" "$2"
}
