"""Bring pinned things from elsewhere: files of a wheel, a git commit, a model hub, a build."""
