"""What the network is asked for."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from training.network import Tensor

RELATION_WEIGHT = 4.0
STRANGERS_WEIGHT = 1.0
LENGTH_WEIGHT = 0.3
# Cosine beyond which strangers are pushed apart, unless the teacher has them nearer: damage alone
# is to be undone. The published network's threshold at a false-accept rate of 1e-4 lies at 0.43.
MARGIN = 0.2
# Length of an embedding that equals the teacher's; a view that shows nobody has a tenth.
LENGTH = 16.0
LENGTH_OF_NOBODY = 0.1


@dataclass(frozen=True)
class Terms:
    """Parts of the loss, scalars.

    cosine: to the teacher, mean over views that show somebody. relation: mean squared error of
    similarities between faces, to the teacher's own. strangers: squared excess of similarities of
    strangers over the teacher's and MARGIN, summed over the others, mean over views. length:
    squared error of the lengths, which say how near an embedding is to that of a good picture.
    """

    cosine: Tensor
    relation: Tensor
    strangers: Tensor
    length: Tensor

    def loss(self) -> Tensor:
        """Zero where nothing is left to learn."""
        return (
            1.0
            - self.cosine
            + RELATION_WEIGHT * self.relation
            + STRANGERS_WEIGHT * self.strangers
            + LENGTH_WEIGHT * self.length
        )


def terms(outputs: Tensor, targets: Tensor, strangers: Tensor, turned: Tensor) -> Terms:
    """outputs float32[N,D] of any length, targets float32[N,D] of length 1, see `data.Batch`."""
    length = tf.norm(outputs, axis=1, keepdims=True) + 1e-6
    unit = outputs / length
    seen = 1.0 - tf.cast(turned, tf.float32)
    cosines = tf.reduce_sum(unit * targets, 1)
    wanted_length = tf.where(turned, LENGTH_OF_NOBODY, tf.nn.relu(tf.stop_gradient(cosines)))
    wanted = tf.matmul(targets, targets, transpose_b=True)
    between = tf.matmul(unit, unit, transpose_b=True)
    to_teacher = tf.matmul(unit, targets, transpose_b=True)
    pairs = seen[:, None] * seen[None, :] * (1.0 - tf.eye(tf.shape(unit)[0]))
    errors = tf.square(to_teacher - wanted) + tf.square(between - wanted)
    allowed = tf.maximum(wanted, MARGIN)
    excess = tf.square(tf.nn.relu(between - allowed)) + tf.square(tf.nn.relu(to_teacher - allowed))
    apart = tf.cast(strangers, tf.float32)
    return Terms(
        cosine=tf.reduce_sum(cosines * seen) / tf.maximum(tf.reduce_sum(seen), 1.0),
        relation=tf.reduce_sum(errors * pairs) / tf.maximum(tf.reduce_sum(pairs), 1.0),
        strangers=tf.reduce_mean(tf.reduce_sum(excess * apart, 1)),
        length=tf.reduce_mean(tf.square(length[:, 0] / LENGTH - wanted_length)),
    )
