module isthmus.dev/lab/pods

go 1.26.0
