module isthmus.dev/lab/pods

go 1.26.0

require github.com/safchain/ethtool v0.6.2

require golang.org/x/sys v0.34.0 // indirect
