"""Smaller or better conditioned constraints with the same nullspace, and the way back."""
