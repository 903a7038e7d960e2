"""TensorFlow and its Keras, imported without their chatter.

The variables must be in the environment before the first import, so this is the one module that
imports TensorFlow, and ``tf2onnx`` is imported after it.
"""

from __future__ import annotations

import logging
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

import tensorflow as tf

keras = tf.keras
tf.get_logger().setLevel(logging.ERROR)
logging.getLogger("tf2onnx").setLevel(logging.ERROR)

__all__ = ["keras", "tf"]
