"""After the call: its summary, what was to be found out, and its report by e-mail."""
