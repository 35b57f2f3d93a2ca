package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/safchain/ethtool"
)

// device is what a network device is, and does by itself; features are named as ethtool -k names them.
type device struct {
	Driver   string          `json:"driver"`
	Features map[string]bool `json:"features"`
}

// offloads prints the devices that have these addresses as one JSON object, by name. An address that no device
// has, and a device that tells nothing of its features, are errors; not every one tells its driver.
func offloads(addresses []string) bool {
	asked, err := ethtool.NewEthtool()
	if err != nil {
		return complain(err)
	}
	defer asked.Close()
	found := make(map[string]device, len(addresses))
	for _, address := range addresses {
		name, err := holder(address)
		if err != nil {
			return complain(err)
		}
		features, err := asked.Features(name)
		if err != nil {
			return complain(fmt.Errorf("%s: %w", name, err))
		}
		driver, _ := asked.DriverName(name)
		found[name] = device{Driver: driver, Features: features}
	}
	return json.NewEncoder(os.Stdout).Encode(found) == nil
}

// holder returns the name of the device that has an address.
func holder(address string) (string, error) {
	wanted := net.ParseIP(address)
	devices, err := net.Interfaces()
	if err != nil {
		return "", err
	}
	for _, each := range devices {
		held, err := each.Addrs()
		if err != nil {
			return "", fmt.Errorf("%s: %w", each.Name, err)
		}
		for _, one := range held {
			if prefix, ok := one.(*net.IPNet); ok && wanted != nil && prefix.IP.Equal(wanted) {
				return each.Name, nil
			}
		}
	}
	return "", fmt.Errorf("no device has the address %s", address)
}

// hold does nothing until it is told to end.
func hold() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM, syscall.SIGINT)
	<-ended
}
