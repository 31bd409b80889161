"""The engine on etcd, against real servers that the tests start and stop."""
