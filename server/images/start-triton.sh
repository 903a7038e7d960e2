#!/bin/sh
# Start Triton as the lab server's: `start-triton.sh MORE OPTIONS`, in any image of Triton.
#
# HTTP is for the health check inside the container alone; gRPC and metrics are on the network that
# only the gateway and Prometheus share with it. Administration needs a key: TRITON_ADMIN_KEY, or
# one that is drawn at every start and known to nobody.
set -eu
key=${TRITON_ADMIN_KEY:-$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')}
restricted="model-repository,shared-memory,trace,logging:i3d-admin=$key"
exec tritonserver \
    --model-repository=/view/models \
    --model-control-mode=none \
    --strict-readiness=true \
    --exit-on-error=true \
    --exit-timeout-secs=20 \
    --grpc-port=8001 \
    --http-address=127.0.0.1 \
    --http-port=8000 \
    --metrics-address=0.0.0.0 \
    --metrics-port=8002 \
    --grpc-restricted-protocol="$restricted" \
    --http-restricted-api="$restricted" \
    "$@"
