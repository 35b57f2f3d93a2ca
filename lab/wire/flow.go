//go:build linux

package main

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// waiting is how many packets may be on the way at once: 100 ms of 1 Gbit/s in packets of 1500 bytes are 8,300.
const waiting = 32768

// way is what happens to packets of one direction.
type way struct {
	delay time.Duration
	loss  float64
	size  int
}

// counts are packets of one direction; bytes are of those carried.
type counts struct {
	Carried  uint64 `json:"carried"`
	Bytes    uint64 `json:"bytes"`
	Lost     uint64 `json:"lost"`
	TooLarge uint64 `json:"tooLarge"`
	Overflow uint64 `json:"overflow"`
}

type packet struct {
	due  time.Time
	data []byte
}

// flow is one direction. One goroutine reads and judges, another waits and writes; the order is kept.
type flow struct {
	way
	mtu    int
	queue  chan packet
	free   sync.Pool
	counts struct{ carried, bytes, lost, tooLarge, overflow atomic.Uint64 }
}

func newFlow(way way, mtu int) *flow {
	made := &flow{way: way, mtu: mtu, queue: make(chan packet, waiting)}
	made.free.New = func() any { return new(make([]byte, mtu)) }
	return made
}

// carry reads packets from one descriptor and writes them to the other, until one of them fails.
func (f *flow) carry(from, to int) error {
	if f.delay > 0 {
		go f.deliver(to)
	}
	for {
		data := *f.free.Get().(*[]byte)
		size, err := syscall.Read(from, data[:f.mtu])
		if err == syscall.EINTR || err == syscall.EAGAIN {
			continue
		}
		if err != nil {
			return err
		}
		data = data[:size]
		switch {
		case f.size > 0 && size > f.size:
			f.counts.tooLarge.Add(1)
		case f.loss > 0 && rand.Float64() < f.loss:
			f.counts.lost.Add(1)
		case f.delay == 0:
			f.write(to, data)
			continue
		default:
			select {
			case f.queue <- packet{time.Now().Add(f.delay), data}:
				continue
			default:
				f.counts.overflow.Add(1)
			}
		}
		f.free.Put(&data)
	}
}

// deliver writes each packet when it is due.
func (f *flow) deliver(to int) {
	for each := range f.queue {
		sleep(each.due)
		f.write(to, each.data)
	}
}

func (f *flow) write(to int, data []byte) {
	if _, err := syscall.Write(to, data); err == nil { // refused while the interface is not up yet
		f.counts.carried.Add(1)
		f.counts.bytes.Add(uint64(len(data)))
	}
	f.free.Put(&data)
}

func (f *flow) counted() counts {
	own := &f.counts
	return counts{
		own.carried.Load(), own.bytes.Load(), own.lost.Load(), own.tooLarge.Load(), own.overflow.Load(),
	}
}

// sleep is exact to some 50 µs, where time.Sleep may be a millisecond late. Signals, of Go's own scheduler too,
// end a nap early.
func sleep(due time.Time) {
	for left := time.Until(due); left > 0; left = time.Until(due) {
		span := syscall.NsecToTimespec(left.Nanoseconds())
		_ = syscall.Nanosleep(&span, nil)
	}
}
