"""Duplicates and near-duplicates, and splits that do not leak."""
