"""Training the last blocks on what the frozen part made of windows, and keeping the best epoch."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import FEATURE_SIZE
from i3d_export.checkpoint import Variables
from i3d_export.head import in_place_of_the_last
from i3d_export.shape import Floats
from i3d_export.tensorflow_quietly import keras, tf
from i3d_fit.calibration import temperature_of
from i3d_fit.fine_tuned import Epoch
from i3d_fit.frozen_part import FrozenWindows, Say, duration
from i3d_fit.logistic import fit_logistic
from i3d_fit.material import Material
from i3d_fit.measures import balanced_accuracy
from i3d_fit.network_parts import NetworkParts


class BlockTraining:
    """The last blocks while they are trained, and the best of them so far.

    Args:
        parts: the network.
        windows: what the frozen part made of windows.
        material: that the windows are of.
        training, held_out: rows of ``windows``, int64, rising.
        batch: windows of one step.

    Attributes:
        epochs: the start, number 0, and those that were trained.
        best: number of the best epoch; the start's if none was better.
        best_values: what is trained, by canonical names, at the best epoch; nothing at the start.
    """

    def __init__(
        self,
        parts: NetworkParts,
        windows: FrozenWindows,
        material: Material,
        *,
        training: NDArray[np.int64],
        held_out: NDArray[np.int64],
        batch: int,
    ) -> None:
        self.epochs: list[Epoch] = []
        self.best = 0
        self.best_values: Variables = {}
        self._parts, self._values, self._batch = parts, windows.values, batch
        self._training, self._held_out = training, held_out
        self._material = material.select(np.isin(np.arange(material.num_windows), windows.places))
        self._codes: NDArray[np.int64] = self._material.codes
        self._weights = _class_weights(self._codes[training], classes=len(material.labels))
        self._best_logits: Floats = np.zeros((0, 0), np.float32)
        self._steps = 0
        between = tf.TensorSpec((None, *parts.between), tf.float32)
        self._answer = tf.function(
            lambda values: parts.trained(values, training=False), input_signature=[between]
        )
        self._step: Any = None

    def begin(self, *, strength: float, learning_rate: float, epochs: int) -> None:
        """Fit a last layer to the training windows, and measure it.

        Args:
            strength: of its penalty.
            learning_rate: the highest.
            epochs: that will be trained.
        """
        started = time.monotonic()
        _, features = self._answers(np.arange(len(self._values)))
        seen = dataclasses.replace(self._material, features=features)
        chosen = np.isin(np.arange(len(features)), self._training)
        head = fit_logistic(seen.select(chosen), strength=strength)
        self._parts.set_values(in_place_of_the_last({}, head))
        steps = -(-len(self._training) // self._batch)
        rate = _rate(learning_rate, steps=steps, epochs=epochs)
        self._step = _step_function(self._parts, rate)
        self._measure(None, started)

    def train(self, random: np.random.Generator, *, of: int, say: Say | None) -> Epoch:
        """Go over the training windows once, in another order, and measure."""
        started = time.monotonic()
        order = random.permutation(self._training)
        losses = []
        for rows in _batches(order, self._batch):
            before = time.monotonic()
            # Rising rows are read from the disk in its own order.
            rows = np.sort(rows)
            codes = self._codes[rows]
            loss = self._step(self._values[rows], codes, self._weights[codes])
            losses.append(float(loss) * len(rows))
            self._steps += 1
            # The first step's time is mostly TensorFlow's, building the graph.
            if self._steps == 2 and say is not None:
                each = (time.monotonic() - before) / len(rows)
                windows = len(order) + len(self._held_out) / 3  # forwards alone
                say(f"TensorFlow sees no GPU: {of} epochs take {duration(of * windows * each)}")
        return self._measure(sum(losses) / len(order), started)

    def temperature(self) -> float:
        """Return what to divide the best epoch's logits by; 1 for the start."""
        if not self.best:
            return 1.0
        return temperature_of(self._best_logits, self._codes[self._held_out])

    def _measure(self, loss: float | None, started: float) -> Epoch:
        logits, _ = self._answers(self._held_out)
        codes, classes = self._codes[self._held_out], len(self._material.labels)
        epoch = Epoch(
            number=len(self.epochs),
            loss=loss,
            balanced_accuracy=balanced_accuracy(codes, logits.argmax(axis=1), classes=classes),
            seconds=time.monotonic() - started,
        )
        self.epochs.append(epoch)
        if (
            loss is not None
            and np.isfinite(logits).all()
            and epoch.balanced_accuracy > self.epochs[self.best].balanced_accuracy
        ):
            self.best, self.best_values = epoch.number, self._parts.values()
            self._best_logits = logits
        return epoch

    def _answers(self, rows: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Return logits (rows, K) and features (rows, 1024), both float32."""
        logits = np.empty((len(rows), len(self._material.labels)), np.float32)
        features = np.empty((len(rows), FEATURE_SIZE), np.float32)
        for places in _batches(np.arange(len(rows)), self._batch):
            found = self._answer(self._values[rows[places]])
            logits[places], features[places] = found[0].numpy(), found[1].numpy()
        return logits, features


def _rate(highest: float, *, steps: int, epochs: int) -> Any:
    """Return a learning rate that rises over the first epoch and falls to 0 over the others.

    Adam's first steps are as long, however small the gradient is: at the full rate they throw a
    good start away.
    """
    return keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps * (epochs - 1)), warmup_target=highest, warmup_steps=steps
    )


def _step_function(parts: NetworkParts, learning_rate: Any) -> Any:
    """Return a function that trains on one batch and returns its loss."""
    trained = list(parts.variables.values())
    optimiser = keras.optimizers.Adam(learning_rate)
    optimiser.build(trained)

    def step(values: Any, codes: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            logits, _ = parts.trained(values, training=False)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=codes, logits=logits)
            loss = tf.reduce_mean(losses * weights)
        optimiser.apply_gradients(zip(tape.gradient(loss, trained), trained, strict=True))
        return loss

    return tf.function(
        step,
        input_signature=[
            tf.TensorSpec((None, *parts.between), tf.float32),
            tf.TensorSpec((None,), tf.int64),
            tf.TensorSpec((None,), tf.float32),
        ],
    )


def _class_weights(codes: NDArray[np.int64], *, classes: int) -> Floats:
    """Return (K,) float32: weights by which all classes count alike, 1 in the mean over windows."""
    counts = np.bincount(codes, minlength=classes)
    present = np.count_nonzero(counts)
    return (len(codes) / (present * np.maximum(counts, 1))).astype(np.float32)


def _batches(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for first in range(0, len(rows), size):
        yield rows[first : first + size]
