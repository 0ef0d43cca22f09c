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

# metric NAME: its value.
metric() {
  curl -s --max-time 30 "$RELAY/_metrics" | grep -F "$1 " | grep -v '^#' | cut -d ' ' -f 2
}

@test "/_metrics counts connections, bytes, deliveries, evictions, skips and refusals by cause" {
  start_relay --window 2
  for seq in 0 1 2; do ask --data-binary 12345 "$RELAY/cam/$seq" >/dev/null; done
  ask "$RELAY/cam/2" >/dev/null
  [ "$(ask "$RELAY/cam/0")" = 470 ]
  [ "$(ask "$RELAY/nothing/0")" = 404 ]
  [ "$(ask "$RELAY/cam/0x1")" = 400 ]
  [ "$(ask "$RELAY/_metrics")" = 200 ]
  grep -qi '^Content-Type: text/plain; version=0.0.4' headers
  [ "$(metric trickle_relay_connections)" = 1 ]
  [ "$(metric trickle_relay_connections_total)" -ge 8 ]
  [ "$(metric trickle_relay_received_bytes_total)" = 15 ]
  [ "$(metric trickle_relay_sent_bytes_total)" = 5 ]
  [ "$(metric trickle_relay_deliveries_total)" = 1 ]
  [ "$(metric trickle_relay_segments_total)" = 3 ]
  [ "$(metric trickle_relay_evictions_total)" = 1 ]
  [ "$(metric trickle_relay_skips_total)" = 1 ]
  [ "$(metric 'trickle_relay_refused_requests_total{cause="no_segment"}')" = 1 ]
  [ "$(metric 'trickle_relay_refused_requests_total{cause="no_channel"}')" = 1 ]
  [ "$(metric 'trickle_relay_refused_requests_total{cause="malformed"}')" = 1 ]
  [ "$(metric 'trickle_relay_refused_requests_total{cause="no_token"}')" = 0 ]
  [ "$(metric 'trickle_relay_answers_total{status="470"}')" = 1 ]
  # What was there already says nothing about delay.
  [ "$(metric trickle_relay_delivery_delay_seconds_count)" = 0 ]
}

@test "/_metrics has the delay of what readers waited for, and those that were cut off" {
  start_relay --window 1
  ask -X POST "$RELAY/cam" >/dev/null
  background curl -s --max-time 60 -o got "$RELAY/cam/0"
  reader=$LAST
  wait_until 30 eval "curl -s $RELAY/_channels | grep -q '\"readers\":1'"
  ask --data-binary 12345 "$RELAY/cam/0" >/dev/null
  wait "$reader"
  [ "$(metric trickle_relay_delivery_delay_seconds_count)" = 1 ]
  [ "$(metric 'trickle_relay_delivery_delay_seconds_bucket{le="+Inf"}')" = 1 ]
  [ "$(metric trickle_relay_cut_off_readers_total)" = 0 ]
}

@test "/_channels tells of writer, readers, sizes, rates and age" {
  start_relay
  ask -X POST -H 'Expect-Content: video/mp2t' "$RELAY/cam" >/dev/null
  [ "$(ask "$RELAY/_channels")" = 200 ]
  jq -e '.channels[0] | .name == "cam" and .content_type == "video/mp2t" and .next == 0 and .writer == "none" and
    .readers == 0 and .bytes == 0 and .bytes_in_per_s == 0 and .age_s >= 0 and .segments == []' body
  mkfifo feed
  exec 7<>feed
  curl -s --max-time 60 -T - -X POST -o /dev/null "$RELAY/cam/0" <feed 3>&- 7>&- &
  post=$!
  wait_until 30 eval "curl -s $RELAY/_channels | jq -e '.channels[0].writer == \"connected\"'"
  echo first >&7
  wait_until 30 eval "curl -s $RELAY/_channels | jq -e '.channels[0].writer == \"writing\"'"
  background curl -s --max-time 60 -o got "$RELAY/cam/0"
  wait_until 30 eval "curl -s $RELAY/_channels | jq -e '.channels[0].readers == 1'"
  ask "$RELAY/_channels" >/dev/null
  jq -e '.channels[0] | .next == 1 and .bytes == 6 and .bytes_in == 6 and .bytes_in_per_s > 0 and
    .segments[0] == {seq: 0, state: "open", bytes: 6, writer: true, readers: 1}' body
  kill "$post"
  wait_until 30 eval "curl -s $RELAY/_channels | jq -e '.channels[0].writer == \"vanished\"'"
  [ "$(ask --data-binary x "$RELAY/cam/1")" = 200 ]
  ask "$RELAY/_channels" >/dev/null
  jq -e '.channels[0].segments_per_s > 0' body
  exec 7>&-
}

@test "HEAD of the pages is as GET, and nothing else is allowed on them" {
  start_relay
  for page in _channels _health _metrics; do
    [ "$(ask -I "$RELAY/$page")" = 200 ]
    grep -qi '^Content-Length: [1-9]' headers
    [ "$(ask -X POST "$RELAY/$page")" = 405 ]
    grep -qi '^Allow: GET, HEAD' headers
  done
  [ "$(ask "$RELAY/_health")" = 200 ]
  jq -e '.status == "ok" and .uptime_s >= 0 and .channels == 0' body
}
