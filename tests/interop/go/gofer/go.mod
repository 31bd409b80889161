module boltpy/tests/interop/gofer

go 1.25.0

require (
	github.com/asdine/storm/v3 v3.2.1
	go.etcd.io/bbolt v1.3.6
)

require golang.org/x/sys v0.0.0-20200923182605-d9f96fdee20d // indirect
