"""Speed of fastemlp, against its own past and against scipy and scikit-learn.

``asv run --quick --python=same`` runs everything once in the current environment. Every answer
is checked before it is timed. ``time_``, ``track_step`` and ``peakmem_`` depend on the machine;
every ``track_ratio`` is our time divided by the other's, measured in the same run, so lower is
better and it may be compared between machines. On a busy machine set OPENBLAS_NUM_THREADS=1:
threads that wait for each other time the neighbours, not the code.
"""
