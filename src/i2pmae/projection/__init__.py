"""Points to images and back (I2P-MAE §3.2)."""
