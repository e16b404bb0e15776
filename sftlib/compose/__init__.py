"""What the train split is made of: selection, caps, balance and weights.

A row is dropped with a reason or comes one or more times; the order of the others does not decide
on it, only its content, so that data that grows changes as little as can be.
"""
