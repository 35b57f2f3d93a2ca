module isthmus.dev/lab/wire

go 1.26.0
