"""Measurements of the whole service beside the numbers it is to reach; begin at ``bench.rows``."""
