"""Bring pinned things from elsewhere: files of a wheel, of a git commit, of a model hub."""
