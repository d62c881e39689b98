"""The built-in demo model: a scripted dialogue that fills the slots of an assistant's tools. No machine learning."""
