"""The base model in one layout: safetensors, tokenizer.json, chat template."""
