#!/usr/bin/env bats
# trickle-relay as an HLS server, and its pages.

load helpers

setup() {
  common_setup
}

teardown() {
  common_teardown
}

# ask CURL-ARGUMENTS…: the status, with the body in `body` and the headers in `headers`.
ask() {
  curl -s --max-time 30 -o body -D headers -w '%{http_code}' "$@"
}

# publish_clip CHANNEL SECONDS: each second of a clip becomes a segment, from 0 on.
publish_clip() {
  make_clip clip.ts "$2"
  ffmpeg -nostdin -loglevel error -y -i clip.ts -map 0 -c copy -f segment -segment_time 1 -segment_format mpegts \
    piece%d.ts
  local seq
  for ((seq = 0; seq < $2; ++seq)); do
    [ "$(ask -H 'Content-Type: video/mp2t' --data-binary "@piece$seq.ts" "$RELAY/$1/$seq")" = 200 ]
  done
}

@test "index.m3u8 lists the window with the durations of the media" {
  start_relay --window 3
  publish_clip cam 5
  [ "$(ask "$RELAY/cam/index.m3u8")" = 200 ]
  grep -qi '^Content-Type: application/vnd.apple.mpegurl' headers
  grep -qx '#EXTM3U' body
  grep -qx '#EXT-X-TARGETDURATION:1' body
  grep -qx '#EXT-X-MEDIA-SEQUENCE:2' body
  [ "$(grep -c '^#EXTINF:1\.0' body)" = 3 ]
  run ! grep -E 'DISCONTINUITY$|ENDLIST' body
  [ "$(grep -v '^#' body | head -n 1)" = '2?.ts' ]
  while read -r uri; do
    [ "$(curl -s -o segment -w '%{http_code}' "$RELAY/cam/$uri")" = 200 ]
    cmp segment "piece${uri%%\?*}.ts"
  done < <(grep -v '^#' body)
}

@test "HEAD of index.m3u8 is as GET, and what can't be written is refused" {
  start_relay
  [ "$(ask -I "$RELAY/cam/index.m3u8")" = 404 ]
  publish_clip cam 1
  [ "$(ask -I "$RELAY/cam/index.m3u8")" = 200 ]
  grep -qi '^Content-Type: application/vnd.apple.mpegurl' headers
  [ "$(ask --data x "$RELAY/cam/index.m3u8")" = 400 ]
  [ "$(ask -X PUT "$RELAY/cam/index.m3u8")" = 405 ]
  grep -qi '^Allow: GET, HEAD' headers
}

@test "ffmpeg plays index.m3u8, also where it begins before the first segment is complete" {
  start_relay --window 100
  [ "$(ask -X POST -H 'Expect-Content: video/mp2t' "$RELAY/cam")" = 200 ]
  background ffmpeg -nostdin -loglevel error -y -live_start_index 0 -i "$RELAY/cam/index.m3u8" -c copy -f mpegts played.ts
  player=$LAST
  publish_clip cam 4
  wait_until 30 eval "[ \$(stat -c %s played.ts) -gt 10000 ]"
  [ "$(ask -X DELETE "$RELAY/cam")" = 200 ]
  wait "$player"
  # What it had not fetched yet has gone with the channel.
  frames=$(count_frames played.ts)
  [ "$frames" -ge 30 ]
  [ "$((frames % 30))" = 0 ]
}

@test "ffmpeg plays one segment of index.m3u8 after the other" {
  start_relay --window 100
  publish_clip cam 4
  timeout 60 ffmpeg -nostdin -loglevel error -y -live_start_index 0 -i "$RELAY/cam/index.m3u8" -frames:v 100 -c:v copy \
    -an -f mpegts played.ts
  [ "$(count_frames played.ts)" = 100 ]
}

@test "a source that starts over is a discontinuity in index.m3u8" {
  start_relay
  publish_clip cam 2
  [ "$(ask --data-binary @piece0.ts "$RELAY/cam/2")" = 200 ]
  ask "$RELAY/cam/index.m3u8" >/dev/null
  [ "$(grep -v EXTINF body | tail -n 2)" = $'#EXT-X-DISCONTINUITY\n2?.ts' ]
}

@test "the playlist of an ended channel says so for a while" {
  start_relay
  publish_clip cam 2
  ask "$RELAY/cam/index.m3u8" >/dev/null
  cp body before
  [ "$(ask -X DELETE "$RELAY/cam")" = 200 ]
  [ "$(ask "$RELAY/cam/index.m3u8")" = 200 ]
  diff <(cat before && echo '#EXT-X-ENDLIST') body
  [ "$(ask "$RELAY/cam/0")" = 404 ]
}

@test "a token in the URL of a playlist goes on to its segments" {
  echo 'se&cret' >tokens
  start_relay --subscribe-token-file tokens
  publish_clip cam 1
  [ "$(ask "$RELAY/cam/index.m3u8")" = 401 ]
  [ "$(ask "$RELAY/cam/index.m3u8?token=se%26cret")" = 200 ]
  [ "$(ask "$RELAY/cam/$(grep -v '^#' body)")" = 200 ]
  cmp body piece0.ts
}
