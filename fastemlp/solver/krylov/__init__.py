"""Strategies that know a constraint by its products with vectors alone."""
