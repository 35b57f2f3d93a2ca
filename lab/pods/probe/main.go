// Command probe is both ends of the lab's traffic: it answers over HTTP, TCP and UDP, and it asks.
//
// It judges nothing: an answer says who gave it, and how long that took.
package main

import (
	"flag"
	"fmt"
	"os"
	"time"
)

const usage = `usage:
  probe serve [-http :8080] [-tcp :9000] [-udp :9001] [-pair DIR [-https :8443]]
                       answer with $PROBE_NAME, else the host's name; with -pair over mutual TLS too
  probe http|tcp|udp [-timeout 3s] [-count 1] [-size 0] [-pair DIR] TARGET
                       ask; print one line of JSON for each try; exit 1 when one of them failed
  probe stream [-timeout 3s] [-length 5s] TARGET
                       send over TCP as much as the path takes; print one line of JSON
  probe offloads ADDRESS...   print which features of the devices with these addresses are on, as JSON
  probe hold                 do nothing until told to end
`

func main() {
	if len(os.Args) < 2 {
		fail(usage)
	}
	verb, rest := os.Args[1], os.Args[2:]
	if verb == "serve" {
		serve(rest)
		return
	}
	if verb == "offloads" && len(rest) > 0 {
		if !offloads(rest) {
			os.Exit(1)
		}
		return
	}
	if verb == "hold" {
		hold()
		return
	}
	ask, known := askers[verb]
	if !known && verb != "stream" {
		fail(usage)
	}
	flags := flag.NewFlagSet(verb, flag.ExitOnError)
	timeout := flags.Duration("timeout", 3*time.Second, "of one try")
	count := flags.Int("count", 1, "tries")
	size := flags.Int("size", 0, "bytes to send, at least; over UDP never in fragments")
	length := flags.Duration("length", 5*time.Second, "of a stream")
	own := flags.String("pair", "", "folder with tls.crt, tls.key and ca.crt, for HTTPS")
	_ = flags.Parse(rest)
	shown = pair(*own)
	if flags.NArg() != 1 {
		fail(usage)
	}
	if verb == "stream" {
		if !stream(flags.Arg(0), *length, *timeout) {
			os.Exit(1)
		}
		return
	}
	if !repeat(ask, flags.Arg(0), *count, *size, *timeout) {
		os.Exit(1)
	}
}

func complain(err error) bool {
	fmt.Fprintln(os.Stderr, err)
	return false
}

func fail(words string) {
	fmt.Fprint(os.Stderr, words)
	os.Exit(2)
}
