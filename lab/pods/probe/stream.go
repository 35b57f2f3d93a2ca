package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	chunk = 128 << 10
	// quiet is how long the node is watched before the stream, to know what it is busy with anyway.
	quiet = time.Second
	// ticks is what the kernel counts processor time in: USER_HZ, 100 a second on every platform of Go.
	ticks = 100
)

// flow is what a stream has shown. Bytes count when the other end has read all of them.
type flow struct {
	Answer string  `json:"answer,omitempty"`
	Millis float64 `json:"millis"`
	Bytes  int64   `json:"bytes"`
	// Before and During are processors that the node's kernel called busy, on average.
	Before float64 `json:"before"`
	During float64 `json:"during"`
	Error  string  `json:"error,omitempty"`
}

// stream sends as much as the path takes, for so long, and prints what came of it; it says whether it ended well.
func stream(target string, length, timeout time.Duration) bool {
	outcome, err := pour(target, length, timeout)
	if err != nil {
		outcome.Error = err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(outcome)
	return err == nil
}

func pour(target string, length, timeout time.Duration) (flow, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	if err != nil {
		return flow{}, err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(quiet + length + timeout))
	reader := bufio.NewReader(connection)
	line, err := reader.ReadString('\n')
	if err != nil {
		return flow{}, fmt.Errorf("no answer: %w", err)
	}
	outcome := flow{Answer: strings.TrimSpace(line)}
	idle := watch()
	time.Sleep(quiet)
	outcome.Before = idle()
	busy, began := watch(), time.Now()
	data := make([]byte, chunk)
	for time.Since(began) < length {
		sent, err := connection.Write(data)
		outcome.Bytes += int64(sent)
		if err != nil {
			return outcome, err
		}
	}
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		return outcome, err
	}
	_, err = io.Copy(io.Discard, reader) // the other end closes when it has read all
	outcome.Millis, outcome.During = float64(time.Since(began).Microseconds())/1000, busy()
	return outcome, err
}

// watch begins to count, and returns what tells how many processors were busy since.
func watch() func() float64 {
	first, began := worked(), time.Now()
	return func() float64 {
		return float64(worked()-first) / ticks / time.Since(began).Seconds()
	}
}

// worked returns the ticks in which the node's processors were not idle (proc(5): /proc/stat, fields 4 and 5 are idle).
func worked() int64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	total := int64(0)
	for index, field := range strings.Fields(string(first)) {
		// The last two are counted in user time already.
		if index == 0 || index == 4 || index == 5 || index > 8 {
			continue
		}
		count, _ := strconv.ParseInt(field, 10, 64)
		total += count
	}
	return total
}
