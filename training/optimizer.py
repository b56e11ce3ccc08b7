"""How trained arrays move: Muon for 1x1 kernels, Adam for everything else.

Muon makes all singular values of a kernel's step alike, so that directions which the loss hardly
feels are learned as fast as the others. Both step lengths are relative to the array's own size,
which the caller puts into `rate`. A moving average of the values is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from training.network import Tensor

# Adam (Kingma & Ba 2015); a shorter memory of squares than usual, for a short run.
BETA_1, BETA_2, EPSILON = 0.9, 0.99, 1e-8
# Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon), with steps as long as Adam's
# usually are (Liu et al. 2025, arXiv:2502.16982, equation 4).
MOMENTUM, STEP = 0.95, 0.2
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5
AVERAGE = 0.99  # decay of the moving average, shorter in the first steps


@dataclass(frozen=True)
class Slot:
    """One trained array: its value, the optimizer's two moments and the moving average.

    second: of Adam alone; Muon leaves it at zero. size: root mean square of the value at first.
    """

    value: tf.Variable
    first: tf.Variable
    second: tf.Variable
    average: tf.Variable
    size: float

    @classmethod
    def starting_at(cls, array: Tensor) -> Slot:
        value = tf.Variable(array)
        size = float(tf.sqrt(tf.reduce_mean(tf.square(value))) + 1e-3)

        def zeros() -> tf.Variable:
            return tf.Variable(tf.zeros_like(value), trainable=False)

        return cls(value, zeros(), zeros(), tf.Variable(value, trainable=False), size)

    def step(self, gradient: Tensor, rate: Tensor, steps: Tensor) -> None:
        """Move against the gradient; this is step number `steps`, from 1."""
        shape = self.value.shape
        if len(shape) == 4 and shape[0] == 1:  # [1,1,in,out]
            self._muon(gradient, rate * self.size)
        else:
            self._adam(gradient, rate * self.size * STEP, steps)
        decay = tf.minimum(AVERAGE, (1.0 + steps) / (10.0 + steps))
        self.average.assign_sub((1.0 - decay) * (self.average - self.value))

    def _muon(self, gradient: Tensor, rate: Tensor) -> None:
        self.first.assign(MOMENTUM * self.first + gradient)
        ahead = MOMENTUM * self.first + gradient  # Nesterov
        *_, inputs, outputs = gradient.shape
        turned = orthogonalized(tf.reshape(ahead, (inputs, outputs)))
        length = rate * STEP * max(inputs, outputs) ** 0.5
        self.value.assign_sub(length * tf.reshape(turned, gradient.shape))

    def _adam(self, gradient: Tensor, rate: Tensor, steps: Tensor) -> None:
        tf.raw_ops.ResourceApplyAdam(
            var=self.value.handle,
            m=self.first.handle,
            v=self.second.handle,
            beta1_power=BETA_1**steps,
            beta2_power=BETA_2**steps,
            lr=rate,
            beta1=BETA_1,
            beta2=BETA_2,
            epsilon=EPSILON,
            grad=gradient,
        )


def orthogonalized(matrix: Tensor) -> Tensor:
    """float32[M,N] with the same singular vectors and singular values near 1 (0.7 to 1.2).

    The Newton-Schulz iteration of Muon.
    """
    wide = matrix.shape[0] < matrix.shape[1]
    x = tf.transpose(matrix) if wide else matrix
    x /= tf.norm(x) + EPSILON
    linear, cubic, quintic = NEWTON_SCHULZ
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = tf.matmul(x, x, transpose_a=True)
        x = linear * x + tf.matmul(x, cubic * gram + quintic * tf.matmul(gram, gram))
    return tf.transpose(x) if wide else x
