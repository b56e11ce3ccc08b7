"""What the student is asked for: each teacher's embedding, and its similarities between faces."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from tools.train.network import Tensor


@dataclass(frozen=True)
class Agreement:
    """How near a batch of embeddings is to a teacher's: scalars.

    cosine: mean over faces. relation: mean squared error of the similarities between different
    faces of the batch, student to teacher and student to student.
    """

    cosine: Tensor
    relation: Tensor

    def loss(self, relation_weight: float) -> Tensor:
        """Zero where student and teacher agree."""
        return 1.0 - self.cosine + relation_weight * self.relation


def agreement(student: Tensor, teacher: Tensor) -> Agreement:
    """student float32[N,D] of any length, teacher float32[N,D] of unit length."""
    unit = tf.math.l2_normalize(student, 1)
    between = 1.0 - tf.eye(tf.shape(unit)[0])
    pairs = tf.reduce_sum(between)
    wanted = tf.matmul(teacher, teacher, transpose_b=True)
    to_teacher = tf.matmul(unit, teacher, transpose_b=True) - wanted
    to_student = tf.matmul(unit, unit, transpose_b=True) - wanted
    errors = (tf.square(to_teacher) + tf.square(to_student)) * between
    return Agreement(
        cosine=tf.reduce_mean(tf.reduce_sum(unit * teacher, 1)),
        relation=tf.reduce_sum(errors) / pairs,
    )
