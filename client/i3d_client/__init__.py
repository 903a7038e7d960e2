"""Label animal behaviour in video with I3D on an NVIDIA Triton server: the client."""
