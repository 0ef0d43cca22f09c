// The publisher and the subscriber of the Go reference, unchanged, against trickle-relay. scripts/test_peers puts
// this file into a copy of their package and runs it there, beside those of their own tests that need nothing of
// their server but HTTP.
package trickle

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func startRelay(t *testing.T, args ...string) string {
	dir := t.TempDir()
	port := dir + "/port"
	cmd := exec.Command(os.Getenv("RELAY"), append([]string{"--listen", "127.0.0.1:0", "--port-file", port, "--changefeed"}, args...)...)
	cmd.Stderr, _ = os.Create(dir + "/log")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for i := 0; i < 200; i++ {
		if b, err := os.ReadFile(port); err == nil {
			return "http://127.0.0.1:" + strings.TrimSpace(string(b))
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("no relay")
	return ""
}

// Stands in for that of the reference's tests.
func makeServerWithServer(t *testing.T) (*require.Assertions, string, *Server) {
	return require.New(t), startRelay(t, "--no-autocreate", "--channel", "testest") + "/testest", nil
}

func create(t *testing.T, url string) {
	req, _ := http.NewRequest("POST", url, nil)
	req.Header.Set("Expect-Content", "text/plain")
	resp, err := http.DefaultClient.Do(req)
	require.Nil(t, err)
	require.Equal(t, 200, resp.StatusCode)
	resp.Body.Close()
}

// TestTrickle_Close of the reference, over HTTP: not there, then there, two segments, the end.
func TestRelay_Close(t *testing.T) {
	require := require.New(t)
	url := startRelay(t, "--no-autocreate", "--channel", "root") + "/testest"
	pub, err := NewTricklePublisher(url)
	require.Nil(err)
	require.Equal(StreamNotFoundErr, pub.Write(bytes.NewReader([]byte("first post"))))
}

func TestRelay_CloseExisting(t *testing.T) {
	require := require.New(t)
	url := startRelay(t) + "/testest"
	create(t, url)
	pub, err := NewTricklePublisher(url)
	require.Nil(err)
	sub, err := NewTrickleSubscriber(subConfig(t, url))
	require.Nil(err)
	segs := []string{"first", "second"}
	for _, s := range segs {
		require.Nil(pub.Write(bytes.NewReader([]byte(s))), "failed writing "+s)
	}
	sub.SetSeq(0)
	for seq, s := range segs {
		resp, err := sub.Read()
		require.Nil(err)
		data, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.Nil(err)
		require.Equal(s, string(data))
		require.Equal(fmt.Sprintf("%d", seq), resp.Header.Get("Lp-Trickle-Seq"))
		require.Equal("2", resp.Header.Get("Lp-Trickle-Latest"))
	}
	require.Nil(pub.Close())
	_, err = sub.Read()
	require.Equal(EOS, err)
	require.Error(pub.Write(bytes.NewReader([]byte("invalid"))))
	sub2, err := NewTrickleSubscriber(subConfig(t, url))
	require.Nil(err)
	_, err = sub2.Read()
	require.Error(err)
}

// TestTrickle_PublisherReset of the reference over HTTP.
func TestRelay_PublisherReset(t *testing.T) {
	require := require.New(t)
	url := startRelay(t) + "/testest"
	create(t, url)
	r0, w0 := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		resp, err := http.Post(url+"/0", "text/plain", r0)
		if err == nil {
			resp.Body.Close()
		}
	}()
	_, err := w0.Write([]byte("Hello"))
	require.Nil(err)
	sub, err := NewTrickleSubscriber(subConfig(t, url))
	require.Nil(err)
	sub.SetSeq(0)
	td, err := sub.Read()
	require.Nil(err)
	buf := make([]byte, 5)
	_, err = io.ReadFull(td.Body, buf)
	require.Nil(err)
	unblocked := make(chan []byte, 1)
	go func() { rest, _ := io.ReadAll(td.Body); unblocked <- rest }()
	req, _ := http.NewRequest("POST", url+"/-1", strings.NewReader("after-reset"))
	req.Header.Set("Lp-Trickle-Reset", "true")
	resp, err := http.DefaultClient.Do(req)
	require.Nil(err)
	require.Equal(200, resp.StatusCode)
	require.Equal("1", resp.Header.Get("Lp-Trickle-Seq"))
	<-unblocked
	sub.SetSeq(0)
	for _, want := range []string{"Hello", "after-reset"} {
		td, err = sub.Read()
		require.Nil(err)
		data, _ := io.ReadAll(td.Body)
		require.Equal(want, string(data))
	}
	w0.Write([]byte("late-bytes"))
	w0.Close()
	<-done
}

// Many segments streamed by the reference's publisher, read by its subscriber, every byte.
func TestRelay_Stream(t *testing.T) {
	require := require.New(t)
	url := startRelay(t) + "/testest"
	create(t, url)
	pub, err := NewTricklePublisher(url)
	require.Nil(err)
	sub, err := NewTrickleSubscriber(subConfig(t, url))
	require.Nil(err)
	sub.SetSeq(0)
	const n = 50
	var wg sync.WaitGroup
	wg.Add(1)
	got := []string{}
	go func() {
		defer wg.Done()
		for {
			resp, err := sub.Read()
			if err == EOS || err == StreamNotFoundErr {
				return
			}
			if err != nil {
				got = append(got, "error "+err.Error())
				return
			}
			data, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			got = append(got, string(data))
		}
	}()
	for i := 0; i < n; i++ {
		time.Sleep(10 * time.Millisecond)
		require.Nil(pub.Write(strings.NewReader(strings.Repeat(fmt.Sprintf("%d,", i), 10000))))
	}
	time.Sleep(100 * time.Millisecond)
	require.Nil(pub.Close())
	wg.Wait()
	require.Equal(n, len(got))
	for i, s := range got {
		require.Equal(strings.Repeat(fmt.Sprintf("%d,", i), 10000), s)
	}
}
