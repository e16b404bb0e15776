"""Cleaning operators: small functions over the texts of a row, listed in params, kept in order."""
