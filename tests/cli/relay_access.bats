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

# slow_post CURL-ARGUMENTS…: POSTs what is written to descriptor 7, as it is written.
slow_post() {
  mkfifo feed
  exec 7<>feed # Both ends, so that neither side waits for the other to open it.
  curl -s --max-time 60 -T - -X POST -o post.body -w '%{http_code}' "$@" <feed >post.status 3>&- 7>&- &
  POST_PID=$!
  BACKGROUND+=("$POST_PID")
}

# make_certificate NAME: NAME.crt and NAME.key for 127.0.0.1 and localhost, signed by itself.
make_certificate() {
  openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.crt" -days 2 -subj "/CN=$1" \
    -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' 2>/dev/null
}

# start_tls_relay [OPTIONS]: sets RELAY to its https URL.
start_tls_relay() {
  make_certificate first
  cp first.crt now.crt
  cp first.key now.key
  start_relay --tls-cert now.crt --tls-key now.key "$@"
  RELAY=https://127.0.0.1:${RELAY##*:}
}

@test "with a certificate it speaks HTTPS, and only that" {
  start_tls_relay
  grep -q "listening on $RELAY/" relay.log
  [ "$(ask --cacert first.crt --data-binary hello "$RELAY/cam/0")" = 200 ]
  [ "$(ask --cacert first.crt "$RELAY/cam/0")" = 200 ]
  [ "$(cat body)" = hello ]
  [ "$(ask --cacert first.crt -w '%{http_version}' "$RELAY/cam/0")" = 1.1 ]
  run -60 curl -s --max-time 30 "$RELAY/cam/0" # It can't be verified.
  run ! curl -s --max-time 30 "http://${RELAY#https://}/cam/0"
  [ "$(ask --cacert first.crt "$RELAY/_health")" = 200 ]
}

@test "many requests on one TLS connection, with bodies larger than a record" {
  start_tls_relay
  head -c 30000000 /dev/urandom >large # More than sockets hold: both sides wait for each other now and then.
  [ "$(ask --cacert first.crt --data-binary @large "$RELAY/cam/0")" = 200 ]
  run -0 curl -s --cacert first.crt --max-time 60 -w '%{num_connects}\n' \
    -o one "$RELAY/cam/0" -o two "$RELAY/cam/0" -o three "$RELAY/cam/0"
  [ "$output" = $'1\n0\n0' ]
  cmp one large
  cmp two large
  cmp three large
}

@test "a reader over TLS sees bytes while their POST is still open" {
  start_tls_relay
  [ "$(ask --cacert first.crt -X POST "$RELAY/cam")" = 200 ]
  background curl -sN --cacert first.crt --max-time 60 -o got "$RELAY/cam/0"
  reader=$LAST
  slow_post --cacert first.crt "$RELAY/cam/0"
  echo first >&7
  wait_until 30 grep -q first got
  echo second >&7
  wait_until 30 grep -q second got
  exec 7>&-
  wait "$reader"
  [ "$(cat got)" = $'first\nsecond' ]
}

@test "trickle-pub and trickle-sub over TLS bring every byte" {
  start_tls_relay
  make_clip clip.ts 3
  trickle-pub --cacert first.crt --keep-channel "$RELAY/cam" <clip.ts
  timeout 60 trickle-sub --cacert first.crt --start oldest --segments 1 "$RELAY/cam" >copy.ts
  [ "$(count_frames copy.ts)" = 90 ]
  run -5 trickle-sub --segments 1 "$RELAY/cam"
  [[ "$output" == *certificate* ]]
}

# certificate_of: the name in the certificate that the relay shows.
certificate_of() {
  openssl s_client -connect "${RELAY#https://}" </dev/null 2>/dev/null | openssl x509 -noout -subject
}

@test "SIGHUP shows new connections the new certificate, and old ones go on" {
  start_tls_relay
  [[ "$(certificate_of)" == *first ]]
  slow_post --cacert first.crt "$RELAY/cam/0"
  echo first >&7
  wait_until 30 eval "curl -s --cacert first.crt $RELAY/_channels | grep -q '\"bytes\":6'"
  make_certificate second
  cp second.crt now.crt
  kill -HUP "$RELAY_PID"
  wait_until 20 reloads 'error: not reloaded: --tls-cert and --tls-key: now.key: ' 1
  [[ "$(certificate_of)" == *first ]]
  cp second.key now.key
  kill -HUP "$RELAY_PID"
  wait_until 20 reloads 'reloaded tokens and certificate' 1
  [[ "$(certificate_of)" == *second ]]
  [ "$(ask --cacert second.crt "$RELAY/_health")" = 200 ]
  echo last >&7
  exec 7>&-
  wait "$POST_PID"
  [ "$(cat post.status)" = 200 ]
  [ "$(curl -s --cacert second.crt "$RELAY/cam/0")" = $'first\nlast' ]
}

health_is() {
  [ "$(ask -k "$RELAY/_health")" = "$1" ]
}

@test "a TLS client that only connects is closed after the header time, and one too many hears 503" {
  start_tls_relay --max-connections 1
  background openssl s_client -connect "${RELAY#https://}" -ign_eof >client.log 2>&1
  wait_until 30 grep -q 'SSL handshake has read' client.log
  [ "$(ask -k "$RELAY/_health")" = 503 ]
  wait_until 40 health_is 200
}

@test "a certificate without its key, or that is none, is 2 with one sentence" {
  make_certificate first
  make_certificate other
  echo nothing >empty
  for wrong in "--tls-cert first.crt" "--tls-key first.key" "--tls-cert empty --tls-key first.key" \
    "--tls-cert first.crt --tls-key other.key" "--tls-cert nowhere --tls-key first.key"; do
    # shellcheck disable=SC2086
    run -2 trickle-relay --listen 127.0.0.1:0 $wrong
    [ "${#lines[@]}" = 1 ]
  done
}

preflight() {
  ask -X OPTIONS -H "Origin: $1" -H 'Access-Control-Request-Method: POST' \
    -H 'Access-Control-Request-Headers: authorization' "$RELAY/cam/0"
}

@test "with --cors-origin pages of that origin may read, and preflights are answered" {
  echo secret >tokens
  start_relay --cors-origin https://player.example --cors-origin http://localhost:8000 --publish-token-file tokens
  [ "$(preflight https://player.example)" = 204 ]
  grep -qi '^Access-Control-Allow-Origin: https://player.example' headers
  grep -qi '^Access-Control-Allow-Methods:.*POST' headers
  grep -qi '^Access-Control-Allow-Headers:.*Authorization' headers
  [ "$(preflight http://localhost:8000)" = 204 ]
  [ "$(preflight https://evil.example)" = 403 ]
  run ! grep -i '^Access-Control-Allow-Origin' headers
  [ "$(with secret -H 'Origin: https://player.example' --data x "$RELAY/cam/0")" = 200 ]
  [ "$(ask -H 'Origin: https://player.example' "$RELAY/cam/0")" = 200 ]
  grep -qi '^Access-Control-Allow-Origin: https://player.example' headers
  grep -qi '^Access-Control-Expose-Headers:.*Lp-Trickle-Latest' headers
  grep -qi '^Vary: Origin' headers
  [ "$(ask -H 'Origin: https://player.example' "$RELAY/cam/7")" = 470 ]
  grep -qi '^Access-Control-Allow-Origin: https://player.example' headers
  [ "$(ask -H 'Origin: https://evil.example' "$RELAY/cam/0")" = 200 ]
  run ! grep -i '^Access-Control-Allow-Origin' headers
}

@test "--cors-origin '*' is for everybody, and without the option there is no CORS" {
  start_relay --cors-origin '*'
  ask --data x "$RELAY/cam/0" >/dev/null
  [ "$(ask -H 'Origin: https://any.example' "$RELAY/cam/index.m3u8")" = 200 ]
  grep -qi '^Access-Control-Allow-Origin: \*' headers
  [ "$(preflight https://any.example)" = 204 ]
  kill "$RELAY_PID"
  start_relay
  [ "$(preflight https://any.example)" = 405 ]
  ask --data x "$RELAY/cam/0" >/dev/null
  ask -H 'Origin: https://any.example' "$RELAY/cam/0" >/dev/null
  run ! grep -i '^Access-Control' headers
  for wrong in example.org https:// https://example.org/ 'a b'; do
    run -2 trickle-relay --listen 127.0.0.1:0 --cors-origin "$wrong"
    [ "${#lines[@]}" = 1 ]
  done
}
