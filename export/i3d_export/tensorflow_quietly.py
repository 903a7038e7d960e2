"""TensorFlow, imported without its chatter, and with Keras on it.

The variables must be in the environment before the first import; import this module before
``keras``, ``tf2onnx`` or ``tensorflow``.
"""

from __future__ import annotations

import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import tensorflow as tf  # noqa: E402  (after the environment is set)

tf.get_logger().setLevel(logging.ERROR)
logging.getLogger("tf2onnx").setLevel(logging.ERROR)

__all__ = ["tf"]
