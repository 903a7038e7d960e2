"""``ethogram.png`` and ``ethogram.svg``."""
