"""Loops over ndarrays, no objects: numba (slot matvecs) and Cython (layer kernels)."""
