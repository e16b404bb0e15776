"""What people see on the terminal. No stage depends on it: a colour never retrains."""
