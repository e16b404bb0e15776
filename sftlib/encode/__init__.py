"""Conversations -> token ids, labels that line up with the model's logits, and packs."""
