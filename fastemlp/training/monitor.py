"""What is recorded while a network trains: the curves and the best parameters; and when to stop."""

from dataclasses import dataclass

import numpy as np

from fastemlp._progress import progress_bar


@dataclass(frozen=True)
class TrainingResult:
    """The result of training."""

    theta: np.ndarray  # (n_parameters,); final (averaged, if asked for), or the best validated ones
    loss_curve: list  # training loss of each epoch or L-BFGS iteration, floats
    validation_curve: list  # validation loss of each, empty without validation data
    n_iter: int  # epochs or iterations run


class Monitor:
    """Records epoch after epoch, keeps the best validated parameters and says when to stop.

    Parameters
    ----------
    vector : ndarray; the parameters, as they change
    validate : callable or None; () -> their validation loss
    tol, n_iter_no_change : float, int
        Stop after this many epochs in which the validation loss did not fall by ``tol``.
    max_iter : int; length of the progress bar
    verbose : int; 1 shows it on a terminal or in a notebook
    is_hopeless : callable or None; (epoch, vector) -> whether to stop
    """

    def __init__(
        self, vector, validate, tol, n_iter_no_change, max_iter, verbose, is_hopeless=None
    ):
        self._vector, self._validate, self._is_hopeless = vector, validate, is_hopeless
        self._tol, self._n_iter_no_change = tol, n_iter_no_change
        self.loss_curve, self.validation_curve = [], []
        self._best = None
        self._best_value = self._reference = np.inf
        self._last_improved = 0
        self._bar = progress_bar(total=max_iter, shown=verbose, desc="fit", unit="epoch")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()

    def record(self, loss):
        """Record an epoch's training loss and validate; True when it is time to stop."""
        self.loss_curve.append(loss)
        self._bar.update()
        self._bar.set_postfix(loss=f"{loss:.2e}", refresh=False)
        epoch = len(self.loss_curve)
        if self._is_hopeless is not None and self._is_hopeless(epoch, self._vector):
            return True
        if self._validate is None:
            return False
        value = self._validate()
        self.validation_curve.append(value)
        if value < self._best_value:
            self._best_value = value
            if self._best is None:
                self._best = np.empty_like(self._vector)
            np.copyto(self._best, self._vector)
        if value < self._reference - self._tol:
            self._reference, self._last_improved = value, epoch
        return epoch - self._last_improved >= self._n_iter_no_change

    def restore_best(self):
        """Restore the best validated parameters, if there are any."""
        if self._best is not None:
            np.copyto(self._vector, self._best)
