// The least program that asks a server for something by libcurl: what trickle-bench startup compares
// trickle-sub and trickle-pub with. usage: bench-bare-curl URL
#include <curl/curl.h>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return 1;
  CURL* handle = curl_easy_init();
  if (handle == nullptr) return 1;
  curl_easy_setopt(handle, CURLOPT_URL, argv[1]);
  const CURLcode code = curl_easy_perform(handle);
  curl_easy_cleanup(handle);
  curl_global_cleanup();
  return code == CURLE_OK ? 0 : 1;
}
