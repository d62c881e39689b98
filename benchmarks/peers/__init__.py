"""Other engines, run in environments of their own by the method that Dialtone is measured by."""
