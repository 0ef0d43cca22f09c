#!/usr/bin/env bats
# trickle-relay: who is let in, and over what: tokens, TLS, CORS.

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

# with TOKEN CURL-ARGUMENTS…
with() {
  local token=$1
  shift
  ask -H "Authorization: Bearer $token" "$@"
}

@test "publish tokens open POST, DELETE and next on the channels of their pattern" {
  printf 'paul cam*\n' >publishers
  printf 'susan\n' >subscribers
  start_relay --publish-token-file publishers --subscribe-token-file subscribers
  [ "$(ask --data x "$RELAY/cam1/0")" = 401 ]
  grep -qi '^WWW-Authenticate: Bearer' headers
  [ "$(with wrong --data x "$RELAY/cam1/0")" = 403 ]
  [ "$(with susan --data x "$RELAY/cam1/0")" = 403 ]
  [ "$(with paul --data x "$RELAY/news/0")" = 403 ]
  [ "$(with paul -X POST "$RELAY/cam1")" = 200 ]
  [ "$(with paul --data x "$RELAY/cam1/0")" = 200 ]
  [ "$(with paul "$RELAY/cam1/next")" = 200 ]
  [ "$(with paul "$RELAY/cam1/0")" = 403 ]
  [ "$(with paul "$RELAY/cam1/live")" = 403 ]
  [ "$(with paul -X DELETE "$RELAY/cam1/0")" = 200 ]
  [ "$(ask -X DELETE "$RELAY/cam1")" = 401 ]
  [ "$(with paul -X DELETE "$RELAY/cam1")" = 200 ]
}

@test "subscribe tokens open GET, by header or by query" {
  printf '# readers\nsusan\nsam news\n' >subscribers
  start_relay --subscribe-token-file subscribers
  [ "$(ask --data x "$RELAY/cam/0")" = 200 ]
  [ "$(ask "$RELAY/cam/0")" = 401 ]
  [ "$(ask "$RELAY/cam/next")" = 200 ]
  [ "$(with susan "$RELAY/cam/0")" = 200 ]
  [ "$(ask "$RELAY/cam/0?token=susan")" = 200 ]
  [ "$(ask "$RELAY/cam/0?token=%73usan")" = 200 ]
  [ "$(ask "$RELAY/cam/0?token=nobody")" = 403 ]
  [ "$(with sam "$RELAY/cam/0")" = 403 ]
  [ "$(ask "$RELAY/_health")" = 200 ]
}

@test "admin tokens open everything, the pages too, and make channels where others cannot" {
  echo root >admins
  echo paul >publishers
  start_relay --publish-token-file publishers --subscribe-token-file publishers --admin-token-file admins \
    --no-autocreate
  [ "$(ask "$RELAY/_channels")" = 401 ]
  [ "$(with paul "$RELAY/_channels")" = 403 ]
  [ "$(with root "$RELAY/_channels")" = 200 ]
  [ "$(with paul -X POST "$RELAY/cam")" = 404 ]
  [ "$(with paul --data x "$RELAY/cam/0")" = 404 ]
  [ "$(with root -X POST "$RELAY/cam")" = 200 ]
  [ "$(with paul --data x "$RELAY/cam/0")" = 200 ]
  [ "$(with root --data x "$RELAY/other/0")" = 200 ]
  [ "$(with root "$RELAY/cam/0")" = 200 ]
}

@test "a refused POST is answered before its body is read" {
  echo paul >publishers
  start_relay --publish-token-file publishers
  mkfifo feed
  exec 7<>feed
  [ "$(ask -T - -X POST "$RELAY/cam/0" <feed)" = 401 ]
  exec 7>&-
  grep -qi '^Connection: close' headers
}

reloads() {
  [ "$(grep -c "$1" relay.log)" -ge "$2" ]
}

@test "SIGHUP reads the tokens anew, and a bad file keeps the old ones" {
  echo old >publishers
  start_relay --publish-token-file publishers
  [ "$(with old -X POST "$RELAY/cam")" = 200 ]
  echo new >publishers
  [ "$(with new -X POST "$RELAY/cam")" = 403 ]
  kill -HUP "$RELAY_PID"
  wait_until 20 reloads 'reloaded' 1
  [ "$(with new -X POST "$RELAY/cam")" = 200 ]
  [ "$(with old -X POST "$RELAY/cam")" = 403 ]
  echo 'three words here' >publishers
  kill -HUP "$RELAY_PID"
  wait_until 20 reloads 'error: not reloaded: --publish-token-file publishers: line 1: ' 1
  [ "$(with new -X POST "$RELAY/cam")" = 200 ]
  rm publishers
  kill -HUP "$RELAY_PID"
  wait_until 20 reloads 'not reloaded' 2
  [ "$(with new -X POST "$RELAY/cam")" = 200 ]
}

@test "no token is ever logged" {
  echo hunter2 >tokens
  echo 'hunter2 more than that' >bad
  start_relay --log-level trace --publish-token-file tokens --subscribe-token-file tokens --admin-token-file tokens
  [ "$(with hunter2 --data x "$RELAY/cam/0")" = 200 ]
  [ "$(ask "$RELAY/cam/0?token=hunter2")" = 200 ]
  [ "$(ask "http://127.0.0.1:${RELAY##*:}/cam/0?token=hunter2x")" = 403 ]
  [ "$(ask "$RELAY/_channels?token=hunter2")" = 200 ]
  cp bad tokens
  kill -HUP "$RELAY_PID"
  wait_until 20 reloads 'not reloaded' 1
  grep -q '/cam/0' relay.log
  run ! grep hunter2 relay.log
  run -2 trickle-relay --listen 127.0.0.1:0 --publish-token-file bad
  [[ "$output" != *hunter2* ]]
}

@test "a token file that is missing, empty or malformed is 2 with one sentence" {
  : >empty
  printf 'fine\nfar too many words\n' >malformed
  for file in empty malformed nowhere .; do
    run -2 trickle-relay --listen 127.0.0.1:0 --admin-token-file "$file"
    [ "${#lines[@]}" = 1 ]
    [[ "$output" == *"--admin-token-file $file: "* ]]
  done
}
