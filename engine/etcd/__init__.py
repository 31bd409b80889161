"""The engine on etcd, an existing distributed database, for users whose service runs on several hosts.

    engine.open_engine("etcd://host:2379,host2:2379/prefix?user=gofer&password_file=/run/secrets/etcd&ca=ca.pem")

It needs the packages grpcio and protobuf, and is loaded when such a URL is opened and not before.
"""

from __future__ import annotations

from .engine import EtcdEngine

__all__ = ["EtcdEngine"]
