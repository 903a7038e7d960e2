"""``i3d bench``: the paper's figures and table, measured on any server."""
