"""Programs that run in a process of their own and speak `frames` over stdin and stdout."""
