"""Training: configurations, the I2P-MAE step, the engine that fits a task, run folders.

Import from the modules themselves: the engine needs Fabric, which takes seconds to import, and configurations must
not wait for it.
"""
