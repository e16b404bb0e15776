"""Declarative data builds for supervised fine-tuning: the library behind the stages."""
