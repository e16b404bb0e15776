"""How good a model's answers are. Nothing here changes a model."""
