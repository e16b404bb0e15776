"""The command `sft`."""
