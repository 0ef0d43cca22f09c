# The library as others get it: installed into some folder, moved to another, found by CMake and pkg-config; and the
# examples, which are built against it there, at work. Goldens: UPDATE_GOLDEN=1 rewrites them.

load helpers

setup_file() {
  local root prefix=$BATS_FILE_TMPDIR/first
  root=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  for component in libtrickle1 libtrickle-dev; do
    cmake --install "$root/build/release" --component $component --prefix "$prefix" >/dev/null
  done
  mv "$prefix" "$BATS_FILE_TMPDIR/moved"
  cmake -G Ninja -S "$root/tests/examples" -B "$BATS_FILE_TMPDIR/examples" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_PREFIX_PATH="$BATS_FILE_TMPDIR/moved" >"$BATS_FILE_TMPDIR/cmake.log" 2>&1
  cmake --build "$BATS_FILE_TMPDIR/examples" -- -j2 >>"$BATS_FILE_TMPDIR/cmake.log" 2>&1 || {
    tail -n 40 "$BATS_FILE_TMPDIR/cmake.log"
    return 1
  }
}

setup() {
  common_setup
  PREFIX=$BATS_FILE_TMPDIR/moved
  EXAMPLES=$BATS_FILE_TMPDIR/examples
  LIBRARY=$(find "$PREFIX" -name libtrickle.so.1)
  PKG_CONFIG_PATH=$(dirname "$(find "$PREFIX" -name trickle.pc)")
  LD_LIBRARY_PATH=$(dirname "$LIBRARY")
  export PKG_CONFIG_PATH LD_LIBRARY_PATH
}

teardown() { common_teardown; }

# flags WHAT: the compiler's, as pkg-config knows them, one a word.
flags() { pkg-config "$@" trickle; }

@test "each public header compiles alone, with warnings as errors" {
  local header
  for header in "$PREFIX"/include/trickle/*.h; do
    [ "$(basename "$header")" != torch.h ] || continue # The next test has it.
    echo "#include <trickle/$(basename "$header")>" >alone.cc
    # shellcheck disable=SC2046 # They are lists of words.
    g++ -std=c++20 -Wall -Wextra -Werror -fsyntax-only $(flags --cflags) alone.cc
  done
}

@test "the C++ side of the page for those who come from pytrickle compiles, with torch.h and without" {
  local part extra
  for part in trickle torch; do
    # Each block in a function of its own, with what they take for granted in front; those with // torch in torch.cc.
    {
      printf '#include <trickle/%s.h>\n' $part
      [ $part = trickle ] || echo '#include <trickle/trickle.h>'
      echo 'const std::string sub, pub; int fd = 0; std::span<const std::byte> data;'
      echo 'void use(int64_t, std::span<const std::byte>) {}'
      awk -v part="$part" '
        /^```cpp/ { inside = 1; block = ""; mine = part == "trickle"; next }
        /^```$/ && inside { inside = 0; if (mine) printf "int block%d() {\n%sreturn 0;\n}\n", ++n, block }
        inside && $0 == "// torch" { mine = !mine; next }
        inside { block = block $0 "\n" }
        END { exit n < 2 }' "$ROOT/lib/include/from_pytrickle.md"
    } >$part.cc
    extra=''
    if [ $part = torch ]; then
      [ -d /usr/include/torch ] || continue
      extra='-isystem /usr/include/torch/csrc/api/include'
    fi
    # shellcheck disable=SC2086,SC2046 # They are lists of words.
    g++ -std=c++20 -Wall -Wextra -Werror -Wno-unused -fsyntax-only $extra $(flags --cflags) $part.cc
  done
}

@test "a public header shows no type of another library" {
  # Headers of the C++ library have no folder and no suffix; that of the C interface includes some of C.
  run bash -c "grep -rhoE '#include <[^>]*[/.][^>]*>' '$PREFIX/include/trickle' | grep -vxE '#include <std(int|def|bool).h>' | sort -u"
  [ "$output" = '#include <torch/types.h>' ]
}

@test "a program builds with pkg-config from an installed tree that was moved" {
  # shellcheck disable=SC2046 # They are lists of words.
  g++ -std=c++20 -Wall -Wextra -Werror $(flags --cflags) -o red_tint "$ROOT/tests/examples/red_tint.cc" $(flags --libs)
  readelf -d red_tint | grep -F 'libtrickle.so.1'
  ! pkg-config --cflags --libs trickle | grep -F "$BATS_FILE_TMPDIR/first"
}

@test "the examples were built with CMake from an installed tree that was moved" {
  local name
  for name in red_tint voice_changer text_overlay object_counter recorder slow_model; do [ -x "$EXAMPLES/$name" ]; done
  ! grep -rF "$BATS_FILE_TMPDIR/first" "$PREFIX"
}

@test "the shared library has its soname and shows nothing but what its list says" {
  readelf -d "$LIBRARY" | grep -F 'Library soname: [libtrickle.so.1]'
  # Names as a person writes them; the parts of std that differ between releases of the compiler are made the same.
  nm -D --defined-only --format=posix "$LIBRARY" | awk '{ print $1 }' | c++filt |
    sed -E 's/@@?TRICKLE_1$//; s/std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> >/std::string/g' |
    grep -vx 'TRICKLE_1' | LC_ALL=C sort -u >libtrickle.symbols
  if [ -n "${UPDATE_GOLDEN:-}" ]; then cp libtrickle.symbols "$BATS_TEST_DIRNAME/golden/"; fi
  diff "$BATS_TEST_DIRNAME/golden/libtrickle.symbols" libtrickle.symbols
}

# readme_program N: compiles the Nth C++ program of the README, as printed, to readmeN.
readme_program() {
  awk -v wanted="$1" '/^```cpp$/ { inside = 1; ++number; next }
       /^```$/ { inside = 0 }
       inside && number == wanted { print }' "$ROOT/README.md" >"readme$1.cc"
  [ -s "readme$1.cc" ]
  # shellcheck disable=SC2046 # They are lists of words.
  g++ -std=c++20 -Wall -Wextra -Werror $(flags --cflags) -o "readme$1" "readme$1.cc" $(flags --libs)
}

# publish_clip: clip.ts on channel in, at its own pace; the channel ends with it.
publish_clip() {
  [ -s clip.ts ] || make_clip clip.ts 3 160x120 25
  background bash -c "ffmpeg -nostdin -v error -re -i clip.ts -c copy -f mpegts - | trickle-pub $RELAY/in 2>pub.log"
}

# plane_mean FILE WHAT: the mean of a value of signalstats over the whole clip.
plane_mean() {
  ffmpeg -nostdin -v error -i "$1" -an -vf "signalstats,metadata=print:key=lavfi.signalstats.$2:file=-" -f null - |
    awk -F= '/signalstats/ { sum += $2; n++ } END { printf "%d\n", sum / n }'
}

@test "the README's function on pictures, as printed, makes all the red there is" {
  [ "$(grep -c '^```cpp$' "$ROOT/README.md")" -eq 2 ]
  readme_program 1
  start_relay --window 100
  publish_clip
  background trickle-sub --wait=20 --start oldest "$RELAY/out" >out.ts 2>sub.log
  local recorder=$LAST
  timeout 60 ./readme1 "$RELAY/in" "$RELAY/out"
  wait "$recorder"
  [ "$(count_frames out.ts)" -eq "$(count_frames clip.ts)" ]
  [ "$(plane_mean out.ts VAVG)" -gt $(($(plane_mean clip.ts VAVG) + 30)) ]
}

@test "the README's worker, as printed but for its port, serves the HTTP API" {
  readme_program 2
  sed -i 's/{\.port = 8080}/{.port = 0, .on_listening = [](std::string url) { std::cout << url << std::endl; }}/; 1i #include <iostream>' readme2.cc
  # shellcheck disable=SC2046 # They are lists of words.
  g++ -std=c++20 $(flags --cflags) -o readme2 readme2.cc $(flags --libs)
  background ./readme2 >worker.url
  wait_until 10 test -s worker.url
  [ "$(curl -sS "$(cat worker.url)health" | jq -r .status)" = IDLE ]
}

@test "example: red_tint makes the picture redder and keeps every frame and the sound" {
  start_relay --window 100
  publish_clip
  background trickle-sub --wait=20 --start oldest "$RELAY/out" >out.ts 2>sub.log
  local recorder=$LAST
  timeout 60 "$EXAMPLES/red_tint" "$RELAY/in" "$RELAY/out"
  wait "$recorder"
  [ "$(count_frames out.ts)" -eq "$(count_frames clip.ts)" ]
  [ "$(plane_mean out.ts VAVG)" -gt $(($(plane_mean clip.ts VAVG) + 10)) ]
  ffprobe -v error -select_streams a -show_entries stream=codec_name -of csv=p=0 out.ts | grep -q aac
}

@test "example: tensor_effect turns the picture into its negative" {
  [ -x "$EXAMPLES/tensor_effect" ] || skip 'LibTorch is not installed'
  start_relay --window 100
  publish_clip
  background trickle-sub --wait=20 --start oldest "$RELAY/out" >out.ts 2>sub.log
  local recorder=$LAST sum
  timeout 60 "$EXAMPLES/tensor_effect" "$RELAY/in" "$RELAY/out"
  wait "$recorder"
  sum=$(($(plane_mean out.ts YAVG) + $(plane_mean clip.ts YAVG)))
  [ $sum -gt 240 ] && [ $sum -lt 262 ]
}

@test "example: voice_changer changes the sound and leaves the picture" {
  start_relay --window 100
  publish_clip
  background trickle-sub --wait=20 --start oldest "$RELAY/out" >out.ts 2>sub.log
  local recorder=$LAST
  timeout 60 "$EXAMPLES/voice_changer" "$RELAY/in" "$RELAY/out"
  wait "$recorder"
  [ "$(count_frames out.ts)" -eq "$(count_frames clip.ts)" ]
  # A ring modulator takes half of a tone's power.
  volume() { ffmpeg -nostdin -i "$1" -vn -af volumedetect -f null - 2>&1 | sed -nE 's/.*mean_volume: -?([0-9]+).*/\1/p'; }
  [ "$(volume out.ts)" -ge $(($(volume clip.ts) + 2)) ]
}

@test "example: text_overlay writes what the control channel says" {
  start_relay --window 100
  echo '{"text": "888888888888"}' | trickle-pub --keep-channel "$RELAY/control" 2>control.log
  ffmpeg -nostdin -v error -f lavfi -i color=black:s=160x120:r=25:d=3 -c:v libx264 -g 25 -pix_fmt yuv420p -f mpegts -y clip.ts
  background trickle-sub --wait=20 --start oldest "$RELAY/out" >out.ts 2>sub.log
  local recorder=$LAST
  background "$EXAMPLES/text_overlay" "$RELAY/in" "$RELAY/out" "$RELAY/control"
  local overlay=$LAST
  publish_clip
  wait "$overlay"
  wait "$recorder"
  [ "$(plane_mean out.ts YMAX)" -gt 100 ]
}

@test "example: object_counter tells the data channel how many objects it sees" {
  start_relay --window 100
  ffmpeg -nostdin -v error -f lavfi -i 'color=black:s=160x120:r=10:d=3' -c:v libx264 -g 10 -pix_fmt yuv420p \
    -vf 'drawbox=x=10:y=10:w=30:h=30:color=white:t=fill,drawbox=x=90:y=60:w=40:h=30:color=white:t=fill' -f mpegts -y clip.ts
  publish_clip
  background trickle-sub --wait=20 --start oldest --lines "$RELAY/data" >data.json 2>sub.log
  local recorder=$LAST
  timeout 60 "$EXAMPLES/object_counter" "$RELAY/in" "$RELAY/data"
  wait "$recorder"
  [ "$(jq -s 'add | map(.objects) | unique' -c data.json)" = '[2]' ]
}

@test "example: recorder passes the bytes on and keeps them" {
  start_relay --window 100
  background "$EXAMPLES/recorder" "$RELAY/in" "$RELAY/out" kept.ts
  local example=$LAST
  background trickle-sub --wait=20 --start oldest "$RELAY/out" >out.ts 2>sub.log
  local recorder=$LAST
  make_clip clip.ts 3 160x120 25
  publish_clip
  wait "$example"
  wait "$recorder"
  [ -s kept.ts ]
  cmp kept.ts out.ts
}

# request METHOD PATH [JSON]: sets STATUS and ANSWER.
request() {
  ANSWER=$(curl -sS -X "$1" ${3:+--json "$3"} -w '\n%{http_code}' "$WORKER$2")
  STATUS=${ANSWER##*$'\n'} ANSWER=${ANSWER%$'\n'*}
}

start_app() {
  background "$EXAMPLES/slow_model" 0 "$1" >app.url 2>app.log
  APP=$LAST
  wait_until 10 test -s app.url
  WORKER=$(sed 's,/$,,' app.url)
}

@test "example: slow_model refuses streams until its model is there" {
  start_app 2
  request GET /health
  [ "$(jq -r .status <<<"$ANSWER")" = LOADING ]
  request POST /api/stream/start '{"subscribe_url": "http://127.0.0.1:9/in"}'
  [ "$STATUS" = 503 ]
  wait_until 20 bash -c "curl -s $WORKER/health | grep -q IDLE"
  kill -TERM "$APP"
  wait "$APP"
}

@test "the App serves the HTTP API with its streams in its own process" {
  start_relay --window 100
  start_app 0
  wait_until 10 bash -c "curl -s $WORKER/health | grep -q IDLE"
  make_clip clip.ts 8 160x120 25
  background bash -c "ffmpeg -nostdin -v error -re -i clip.ts -c copy -f mpegts - | trickle-pub $RELAY/in 2>pub.log"
  background trickle-sub --wait=20 --start oldest "$RELAY/out" >out.ts 2>sub.log
  local recorder=$LAST
  background trickle-sub --wait=20 --start oldest --lines "$RELAY/events" >events.json 2>/dev/null
  local events=$LAST
  background trickle-sub --wait=20 --start oldest --lines "$RELAY/data" >data.json 2>/dev/null
  request POST /api/stream/start '{"subscribe_url": "'"$RELAY"'/in", "publish_url": "'"$RELAY"'/out",
    "events_url": "'"$RELAY"'/events", "data_url": "'"$RELAY"'/data", "gateway_request_id": "one",
    "params": {"strength": 0, "width": 128, "height": 96}}'
  [ "$STATUS" = 200 ]
  request POST /api/stream/start '{"subscribe_url": "'"$RELAY"'/in"}'
  [ "$STATUS" = 503 ]
  request POST /api/stream/params '{"width": 7}'
  [ "$STATUS" = 400 ]
  wait_until 20 test -s out.ts
  request POST /api/stream/params '{"strength": 1}'
  [ "$STATUS" = 200 ]
  wait_until 20 bash -c "curl -s $WORKER/api/stream/status | jq -e '.fps.egress_video_fps > 5'"
  wait_until 20 grep -q '"strength":1.0' data.json
  request GET /health
  [ "$(jq -r .status <<<"$ANSWER")" = OK ]
  many_frames() { [ "$(count_frames out.ts)" -gt 20 ]; }
  wait_until 20 many_frames
  request POST /api/stream/stop
  [ "$STATUS" = 200 ]
  wait "$recorder"
  wait "$events"
  [ "$(ffprobe -v error -select_streams v:0 -show_entries stream=width,height -of csv=p=0:s=x out.ts | head -n 1)" = 128x96 ]
  ffprobe -v error -select_streams a -show_entries stream=codec_name -of csv=p=0 out.ts | grep -q opus
  local type
  for type in stream_started receive_first_ingest_segment send_first_processed_segment params_updated stream_stopped; do
    grep -q "\"type\":\"$type\"" events.json
  done
  request POST /api/stream/stop
  [ "$STATUS" = 400 ]
  kill -TERM "$APP"
  wait "$APP"
}
