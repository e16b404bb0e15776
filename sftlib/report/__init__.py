"""What a build did, as facts, and the model card that is made from them."""
