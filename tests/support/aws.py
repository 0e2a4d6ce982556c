"""boto3 and botocore, as far as the tests use them: they have no types, so all of it is Any."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = [
    "AWSRequest",
    "ClientError",
    "Config",
    "Credentials",
    "EventStreamBuffer",
    "EventStreamError",
    "EventStreamJSONParser",
    "Loader",
    "RestJSONParser",
    "ServiceModel",
    "SigV4Auth",
    "boto3",
]


def _found(module: str, name: str) -> Any:
    return getattr(import_module(f"botocore.{module}"), name)


boto3: Any = import_module("boto3")
AWSRequest = _found("awsrequest", "AWSRequest")
ClientError = _found("exceptions", "ClientError")
Config = _found("config", "Config")
Credentials = _found("credentials", "Credentials")
EventStreamBuffer = _found("eventstream", "EventStreamBuffer")
EventStreamError = _found("exceptions", "EventStreamError")
EventStreamJSONParser = _found("parsers", "EventStreamJSONParser")
Loader = _found("loaders", "Loader")
RestJSONParser = _found("parsers", "RestJSONParser")
ServiceModel = _found("model", "ServiceModel")
SigV4Auth = _found("auth", "SigV4Auth")
