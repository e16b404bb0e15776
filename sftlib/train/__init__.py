"""Fine-tuning: packs, models, loss, schedule, the loop and its checkpoints.

Dimensions: T tokens of a pack, L labels of it, V vocabulary, H heads, D size of a head.
"""
