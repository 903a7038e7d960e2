"""What runs around Triton: the launcher of the embedded server and its CPU backend."""
