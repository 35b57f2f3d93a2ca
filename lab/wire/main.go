//go:build linux

// Command wire is a path between two networks that is longer, worse or narrower than a link of the kernel's: it
// carries IPv4 packets between two TUN interfaces and delays, loses or swallows them on the way.
//
// It makes the interfaces from descriptors of /dev/net/tun that were opened in the two network namespaces, and
// routes nothing: addresses, routes and the size that is answered with ICMP are set by whoever started it.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unsafe"
)

const usage = `usage:
  wire -name DEVICE [-mtu 1500] [-delay 30ms] [-loss 0.01] [-size 1400] 3 4
                       carry packets between descriptors 3 and 4 until told to end (SIGTERM), then print counts
`

func main() {
	flags := flag.NewFlagSet("wire", flag.ExitOnError)
	name := flags.String("name", "", "of both interfaces")
	mtu := flags.Int("mtu", 1500, "of both interfaces, in bytes")
	var way way
	flags.DurationVar(&way.delay, "delay", 0, "of every packet, one way")
	flags.Float64Var(&way.loss, "loss", 0, "the part of packets to lose, one way: 0 to 1")
	flags.IntVar(&way.size, "size", 0, "bytes of the largest packet that passes, the others are lost; 0 is any")
	_ = flags.Parse(os.Args[1:])
	if flags.NArg() != 2 || *name == "" || way.loss < 0 || way.loss > 1 || way.delay < 0 || *mtu < 68 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	ends := [2]int{descriptor(flags.Arg(0)), descriptor(flags.Arg(1))}
	for _, end := range ends {
		if err := makeInterface(end, *name); err != nil {
			fmt.Fprintf(os.Stderr, "wire: cannot make %s: %v\n", *name, err)
			os.Exit(1)
		}
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	failed := make(chan error, 2)
	there, back := newFlow(way, *mtu), newFlow(way, *mtu)
	go func() { failed <- there.carry(ends[0], ends[1]) }()
	go func() { failed <- back.carry(ends[1], ends[0]) }()
	select {
	case <-told:
		time.Sleep(way.delay) // what is on the way arrives; nothing new comes once the routes are gone
	case err := <-failed:
		fmt.Fprintf(os.Stderr, "wire: %v\n", err)
		defer os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(map[string]counts{"there": there.counted(), "back": back.counted()})
}

func descriptor(word string) int {
	var found int
	if _, err := fmt.Sscanf(word, "%d", &found); err != nil {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	return found
}

// makeInterface makes the TUN interface of a descriptor, in the network namespace that it was opened in. It goes when
// the descriptor is closed. Without offloads (IFF_VNET_HDR) the kernel hands out packets as a cable has them.
func makeInterface(end int, name string) error {
	const setInterface, tun, withoutHeader = 0x400454ca, 0x0001, 0x1000 // TUNSETIFF, IFF_TUN, IFF_NO_PI
	var request struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}
	if len(name) >= len(request.name) {
		return syscall.ENAMETOOLONG
	}
	copy(request.name[:], name)
	request.flags = tun | withoutHeader
	_, _, code := syscall.Syscall(
		syscall.SYS_IOCTL, uintptr(end), setInterface, uintptr(unsafe.Pointer(&request)))
	if code != 0 {
		return code
	}
	return nil
}
