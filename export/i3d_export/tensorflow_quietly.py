"""TensorFlow and its Keras, imported without their chatter.

The variables must be in the environment before the first import, so this is the one module that
imports TensorFlow, and ``tf2onnx`` is imported after it. Two lines about oneDNN come before any
log level counts; turning oneDNN off would silence them and make the network take twice as long,
so standard error is held back during the import instead, and shown if the import fails.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["KERAS_BACKEND"] = "tensorflow"

STANDARD_ERROR = 2


@contextmanager
def _standard_error_held_back() -> Iterator[None]:
    sys.stderr.flush()
    kept = os.dup(STANDARD_ERROR)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), STANDARD_ERROR)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(kept, held.read())
            raise
        finally:
            os.dup2(kept, STANDARD_ERROR)
            os.close(kept)


with _standard_error_held_back():
    import tensorflow as tf

    keras = tf.keras

tf.get_logger().setLevel(logging.ERROR)
logging.getLogger("tf2onnx").setLevel(logging.ERROR)

__all__ = ["keras", "tf"]
