// The server of the Go reference on a free port of 127.0.0.1, which it writes to the file of its only argument.
// scripts/test_peers puts this file beside a copy of their package.
package main

import (
	"log"
	"net"
	"net/http"
	"os"
	"strconv"

	"peers/trickle"
)

func main() {
	mux := http.NewServeMux()
	server := trickle.ConfigureServer(trickle.TrickleServerConfig{BasePath: "/", Mux: mux, Changefeed: true, Autocreate: true})
	defer server.Start()()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	if err := os.WriteFile(os.Args[1]+".part", []byte(port+"\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	if err := os.Rename(os.Args[1]+".part", os.Args[1]); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(listener, mux))
}
