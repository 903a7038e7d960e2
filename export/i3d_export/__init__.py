"""Export I3D: checkpoint, TensorFlow, ONNX, precision, engine, Triton model repository."""
