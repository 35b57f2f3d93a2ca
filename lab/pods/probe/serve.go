package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
)

// serve answers until it is killed; a port that cannot be had ends it.
func serve(arguments []string) {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	web := flags.String("http", ":8080", "address for HTTP")
	stream := flags.String("tcp", ":9000", "address for TCP")
	datagram := flags.String("udp", ":9001", "address for UDP")
	secure := flags.String("https", ":8443", "address for HTTPS, with -pair")
	folder := flags.String("pair", "", "folder with tls.crt, tls.key and ca.crt, read anew for each handshake")
	_ = flags.Parse(arguments)
	ended := make(chan error)
	go func() { ended <- http.ListenAndServe(*web, http.HandlerFunc(answer)) }()
	go func() { ended <- serveTCP(*stream) }()
	go func() { ended <- serveUDP(*datagram) }()
	if *folder != "" {
		go func() { ended <- pair(*folder).serve(*secure) }()
	}
	log.Fatal(<-ended)
}

// name is what tells this server from others: the cluster and pod, when the pod's template says so.
func name() string {
	if given := os.Getenv("PROBE_NAME"); given != "" {
		return given
	}
	host, _ := os.Hostname()
	return host
}

// answer tells who answers and who asked; a mesh passes the caller's identity in this header.
func answer(writer http.ResponseWriter, request *http.Request) {
	_, _ = io.Copy(io.Discard, request.Body)
	writer.Header().Set("X-Probe-Peer", request.RemoteAddr)
	writer.Header().Set("X-Probe-Identity", request.Header.Get("X-Forwarded-Client-Cert"))
	fmt.Fprintln(writer, name())
}

func serveTCP(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			fmt.Fprintln(connection, name())
			_, _ = io.Copy(io.Discard, connection)
		}()
	}
}

// serveUDP answers each datagram with the name and how many bytes came in one piece.
func serveUDP(address string) error {
	socket, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	buffer := make([]byte, 1<<16)
	for {
		size, peer, err := socket.ReadFrom(buffer)
		if err != nil {
			return err
		}
		_, _ = socket.WriteTo(fmt.Appendf(nil, "%s %d\n", name(), size), peer)
	}
}
