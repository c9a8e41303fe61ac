"""Identifiers. Each is an opaque string; none of them is a secret."""

from typing import NewType

AccountId = NewType("AccountId", str)
BatchId = NewType("BatchId", str)
CallId = NewType("CallId", str)
ClientKeyId = NewType("ClientKeyId", str)
LeaseId = NewType("LeaseId", str)
MediaId = NewType("MediaId", str)
RequestId = NewType("RequestId", str)
ResponseId = NewType("ResponseId", str)
VideoJobId = NewType("VideoJobId", str)
