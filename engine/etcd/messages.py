"""The messages of etcd's API that this engine uses: their fields, numbers and types, and classes made of them.

These are the facts of the protocol (FROZEN: they are on the wire). Fields that are not used are left out, and what a
server sends in them is skipped. The classes are made in a pool of their own, so that another client of etcd's in the
same process keeps its own.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE: Final = "etcdserverpb"

# Each field as "name number type"; a type of this table is a message, "*" says that it repeats, and fields that share
# "|name" exclude each other.
_FACTS: Final = {
    "KeyValue": "key 1 bytes, create_revision 2 int64, mod_revision 3 int64, value 5 bytes",
    "Event": "type 1 int32, kv 2 KeyValue",
    "ResponseHeader": "cluster_id 1 uint64, revision 3 int64",
    "RangeRequest": "key 1 bytes, range_end 2 bytes, limit 3 int64, revision 4 int64, sort_order 5 int32,"
    " keys_only 8 bool",
    "RangeResponse": "header 1 ResponseHeader, kvs 2 *KeyValue, more 3 bool",
    "PutRequest": "key 1 bytes, value 2 bytes",
    "DeleteRangeRequest": "key 1 bytes, range_end 2 bytes",
    "RequestOp": "request_range 1 RangeRequest |request, request_put 2 PutRequest |request,"
    " request_delete_range 3 DeleteRangeRequest |request",
    "ResponseOp": "response_range 1 RangeResponse |response",
    "Compare": "result 1 int32, target 2 int32, key 3 bytes, mod_revision 6 int64 |target_union, range_end 64 bytes",
    "TxnRequest": "compare 1 *Compare, success 2 *RequestOp, failure 3 *RequestOp",
    "TxnResponse": "header 1 ResponseHeader, succeeded 2 bool, responses 3 *ResponseOp",
    "WatchCreateRequest": "key 1 bytes, range_end 2 bytes, start_revision 3 int64, progress_notify 4 bool",
    "WatchProgressRequest": "",
    "WatchRequest": "create_request 1 WatchCreateRequest |request_union,"
    " progress_request 3 WatchProgressRequest |request_union",
    "WatchResponse": "header 1 ResponseHeader, watch_id 2 int64, created 3 bool, canceled 4 bool,"
    " compact_revision 5 int64, cancel_reason 6 string, events 11 *Event",
    "AuthenticateRequest": "name 1 string, password 2 string",
    "AuthenticateResponse": "token 2 string",
}

DESCENDING: Final = 2
"""A `sort_order`; without a target it is that of the keys."""

EQUAL: Final = 0
LESS: Final = 2
MOD: Final = 2
"""A comparison's `target`: the revision of the last change, 0 of what is not there."""

DELETED: Final = 1
"""An event's `type`."""


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="engine/etcd.proto", package=_PACKAGE, syntax="proto3")
    for message, fields in _FACTS.items():
        described = file.message_type.add(name=message)
        unions: list[str] = []
        for fact in filter(None, fields.split(",")):
            name, number, kind, *union = fact.split()
            field = described.field.add(name=name, number=int(number))
            field.label = field.LABEL_REPEATED if kind.startswith("*") else field.LABEL_OPTIONAL
            kind = kind.removeprefix("*")
            if kind in _FACTS:
                field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                field.type = descriptor_pb2.FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
            for of in union:
                if of not in unions:
                    unions.append(of)
                    described.oneof_decl.add(name=of.removeprefix("|"))
                field.oneof_index = unions.index(of)
    return file


_POOL: Final = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def _class(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


AuthenticateRequest: Final = _class("AuthenticateRequest")
AuthenticateResponse: Final = _class("AuthenticateResponse")
Compare: Final = _class("Compare")
DeleteRangeRequest: Final = _class("DeleteRangeRequest")
PutRequest: Final = _class("PutRequest")
RangeRequest: Final = _class("RangeRequest")
RangeResponse: Final = _class("RangeResponse")
RequestOp: Final = _class("RequestOp")
TxnRequest: Final = _class("TxnRequest")
TxnResponse: Final = _class("TxnResponse")
WatchCreateRequest: Final = _class("WatchCreateRequest")
WatchProgressRequest: Final = _class("WatchProgressRequest")
WatchRequest: Final = _class("WatchRequest")
WatchResponse: Final = _class("WatchResponse")
