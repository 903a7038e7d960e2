"""Lines as the gateway logs them."""

import json


def log_line(
    *,
    lab: str = "alpha",
    time: str = "2026-03-02T09:00:00+00:00",
    call: str = "ModelInfer",
    status: int = 200,
    grpc_status: str = "0",
    bytes_in: int = 1000,
    bytes_out: int = 100,
    seconds: float = 0.25,
    upstream: str = "10.0.0.2:8001",
) -> str:
    """One line with its end."""
    values = {
        "time": time,
        "lab": lab,
        "call": call,
        "status": status,
        "grpc_status": grpc_status,
        "bytes_in": bytes_in,
        "bytes_out": bytes_out,
        "seconds": seconds,
        "upstream": upstream,
    }
    return json.dumps(values, separators=(",", ":")) + "\n"


REJECTED = {"grpc_status": "14", "upstream": "", "bytes_out": 0, "seconds": 0.0}
DENIED = {"grpc_status": "7", "upstream": "", "call": "RepositoryModelLoad"}
NO_CERTIFICATE = {"grpc_status": "16", "upstream": "", "lab": ""}
