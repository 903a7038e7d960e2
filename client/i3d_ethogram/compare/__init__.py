"""How well labels agree with what people annotated."""
