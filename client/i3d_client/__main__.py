"""``python -m i3d_client`` is ``i3d``."""

from i3d_client.cli import main

main()
