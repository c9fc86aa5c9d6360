"""The optimiser Adam and the averaging of parameters, on one flat vector."""

import numpy as np

from fastemlp._kernels.updates import adam_update, average_update


class Adam:
    """Adam (Kingma & Ba 2015) with decoupled weight decay (AdamW; Loshchilov & Hutter 2019), updating in place.

    Parameters
    ----------
    size : int
    dtype : float32 or float64
    weight_decay : float ≥ 0; every parameter, biases too, shrinks by ``learning_rate · weight_decay`` a step
    beta1, beta2, epsilon : float; as in the paper

    Attributes
    ----------
    moments : ndarray of shape (2, size); running means of the gradient and of its square
    t : int; steps taken
    """

    def __init__(self, size, dtype, weight_decay=0.0, beta1=0.9, beta2=0.999, epsilon=1e-8):
        self.weight_decay = weight_decay
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon
        self.moments = np.zeros((2, size), dtype)
        self.t = 0

    def step(self, theta, gradient, learning_rate, scale=1.0):
        """Move ``theta`` once against ``scale · gradient``."""
        self.t += 1
        # both bias corrections, folded into the step size and epsilon
        root = np.sqrt(1 - self.beta2**self.t)
        adam_update(
            theta,
            gradient,
            *self.moments,
            self.beta1,
            self.beta2,
            learning_rate * root / (1 - self.beta1**self.t),
            self.epsilon * root,
            scale,
            1 - learning_rate * self.weight_decay,
        )


def auto_decay(n_steps, factor):
    """The decay that averages over an eighth of all steps, at most 500, times the ``factor`` of the learning rate.

    Large steps go back and forth around what is learned; small ones need no average, which would only lag behind.
    """
    return 1 - 1 / max(min(n_steps / 8, 500) * factor, 1)


class Average:
    """An exponential moving average of a vector, without bias towards its start.

    After t updates it is ``Σ_s w_s θ_s / Σ_s w_s`` with ``w_s = d_(s+1) ⋯ d_t``, for a constant decay ``d^(t-s)``:
    exactly θ_1 after the first, the plain mean as d → 1.

    Parameters
    ----------
    vector : ndarray; updated in place, its initial value does not count
    decay : float in [0, 1) or callable; factor of the learning rate -> decay

    Attributes
    ----------
    weight : float; the sum of all weights so far, that of the last being one
    """

    def __init__(self, vector, decay):
        self.vector = vector
        self.decay = decay
        self.weight = 0.0

    def update(self, theta, factor=1.0):
        """Include one more ``theta``, to which a step of this ``factor`` of the learning rate led."""
        decay = self.decay(factor) if callable(self.decay) else self.decay
        self.weight = 1 + decay * self.weight
        average_update(self.vector, theta, 1 / self.weight)
