# Runs the commands of the README: each block marked "<!-- run -->", in order, on free ports instead of the defaults;
# those marked "<!-- run where LibTorch is -->" where it was there to build with.

load helpers

setup() {
  common_setup
  rm -f serve.port relay.port
  background trickle-serve --listen 127.0.0.1:0 --port-file serve.port --relay 127.0.0.1:0 --relay-port-file relay.port 2>serve.log
  wait_until 10 test -s serve.port
  wait_until 10 test -s relay.port
  RELAY=127.0.0.1:$(cat relay.port) WORKER=127.0.0.1:$(cat serve.port)
  make_clip clip.ts 6
  ln -s "$ROOT/tests" tests
  ln -s "$ROOT/lib" lib
  MARKS='^<!-- run -->$'
  if [ -x "$ROOT/build/release/tests/make_models" ]; then
    MARKS='^<!-- run( where LibTorch is)? -->$'
    mkdir models
    "$ROOT/build/release/tests/make_models" models
    cp models/red_tint.pt model.pt
  fi
}

teardown() { common_teardown; }

# blocks: the commands of all marked blocks, each block ended by a line "====".
blocks() {
  awk -v marks="$MARKS" '$0 ~ marks { marked = 1; next }
       marked && /^```sh$/ { inside = 1; next }
       inside && /^```$/ { inside = marked = 0; print "===="; next }
       inside { print }' "$ROOT/README.md"
}

@test "every block of the README is either run by this file or says why not" {
  [ "$(grep -c '^```sh$' "$ROOT/README.md")" -eq "$(grep -cE '^<!-- (run|run where LibTorch is|not run: .+) -->$' "$ROOT/README.md")" ]
  [ "$(blocks | grep -c '^====$')" -ge 7 ]
}

@test "the commands of the README work as printed" {
  local -x TRICKLE_SUB_WAIT=10
  local block='' line published=no number=0
  # On a descriptor of its own: ffmpeg reads standard input as a person's keys.
  while IFS= read -r -u 9 line; do
    if [ "$line" != ==== ]; then
      block+=$line$'\n'
      continue
    fi
    number=$((number + 1))
    block=${block//127.0.0.1:3389/$RELAY}
    block=${block//127.0.0.1:8080/$WORKER}
    # PyAV comes as a Debian package, for Debian's Python; another one may stand before it in PATH.
    block=${block//python3 //usr/bin/python3 }
    # curl's exit code says nothing about the status by itself; a refused request must fail the test.
    block=${block//curl /curl -sS --fail-with-body }
    echo "block $number: $block"
    if [ $published = no ]; then
      # The first one publishes the clip; here again and again, so that every other block finds a live channel.
      [[ $block == *'trickle-pub'*'&'$'\n' ]]
      background bash -c "while :; do ${block%&*}; done" >feeder.log 2>&1
      wait_until 10 curl -sf "http://$RELAY/in/next"
      published=yes
    else
      run timeout 90 bash -o pipefail -c "${block%$'\n'}"
      echo "$output"
      [ "$status" -eq 0 ]
    fi
    block=''
  done 9< <(blocks)
  [ "$(count_frames recording.ts)" -gt 0 ]
  [ "$(find segments -name '*.ts' | wc -l)" -gt 0 ]
  [ -s still.png ]
  [ "$(count_frames tinted.ts)" -gt 0 ]
  local made
  for made in filtered dark mirrored; do [ "$(count_frames $made.ts)" -gt 0 ]; done
  [ ! -e model.pt ] || [ "$(count_frames out.ts)" -gt 0 ]
}
