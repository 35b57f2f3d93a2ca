package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"
)

// try is the outcome of asking once: who answered, from where it was asked, or why nobody did.
type try struct {
	Answer   string  `json:"answer,omitempty"`
	Status   int     `json:"status,omitempty"`
	Identity string  `json:"identity,omitempty"`
	Local    string  `json:"local,omitempty"`
	Serial   string  `json:"serial,omitempty"` // of the certificate that the server showed
	Millis   float64 `json:"millis"`
	Error    string  `json:"error,omitempty"`
}

// shown is what the asking side shows over HTTPS.
var shown pair

type asker func(ctx context.Context, target string, size int) (try, error)

var askers = map[string]asker{"http": askHTTP, "tcp": askTCP, "udp": askUDP}

// repeat asks one time after another and prints each outcome; it says whether all of them were answered.
func repeat(ask asker, target string, count, size int, timeout time.Duration) bool {
	whole := true
	lines := json.NewEncoder(os.Stdout)
	for range count {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		began := time.Now()
		outcome, err := ask(ctx, target, size)
		outcome.Millis = float64(time.Since(began).Microseconds()) / 1000
		if err != nil {
			outcome.Error, whole = err.Error(), false
		}
		cancel()
		_ = lines.Encode(outcome)
	}
	return whole
}

func askHTTP(ctx context.Context, target string, size int) (try, error) {
	method, body := http.MethodGet, io.Reader(nil)
	if size > 0 {
		method, body = http.MethodPost, bytes.NewReader(make([]byte, size))
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return try{}, err
	}
	transport := &http.Transport{DisableKeepAlives: true}
	if shown != "" {
		if transport.TLSClientConfig, err = shown.config(); err != nil {
			return try{}, err
		}
	}
	client := http.Client{Transport: transport}
	response, err := client.Do(request)
	if err != nil {
		return try{}, err
	}
	defer response.Body.Close()
	words, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	serial := ""
	if response.TLS != nil {
		serial = response.TLS.PeerCertificates[0].SerialNumber.Text(16)
	}
	return try{
		Serial:   serial,
		Answer:   strings.TrimSpace(string(words)),
		Status:   response.StatusCode,
		Identity: response.Header.Get("X-Probe-Identity"),
		Local:    response.Header.Get("X-Probe-Peer"),
	}, err
}

func askTCP(ctx context.Context, target string, size int) (try, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		return try{}, err
	}
	return exchange(ctx, connection, make([]byte, size))
}

// askUDP forbids fragments: a datagram that does not fit the path fails here, or is answered by nobody.
func askUDP(ctx context.Context, target string, size int) (try, error) {
	dialer := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		var refused error
		err := raw.Control(func(handle uintptr) {
			refused = syscall.SetsockoptInt(
				int(handle), syscall.IPPROTO_IP, syscall.IP_MTU_DISCOVER, syscall.IP_PMTUDISC_DO)
		})
		if err != nil {
			return err
		}
		return refused
	}}
	connection, err := dialer.DialContext(ctx, "udp4", target)
	if err != nil {
		return try{}, err
	}
	return exchange(ctx, connection, make([]byte, max(size, 1)))
}

// exchange sends what there is to send and takes one line for an answer.
func exchange(ctx context.Context, connection net.Conn, data []byte) (try, error) {
	defer connection.Close()
	if deadline, set := ctx.Deadline(); set {
		_ = connection.SetDeadline(deadline)
	}
	local := connection.LocalAddr().String()
	if _, err := connection.Write(data); err != nil {
		return try{Local: local}, err
	}
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return try{Local: local}, fmt.Errorf("no answer: %w", err)
	}
	return try{Answer: strings.TrimSpace(line), Local: local}, nil
}
