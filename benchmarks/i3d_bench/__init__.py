"""The project measured: overlap, and the paper's figures and table."""
