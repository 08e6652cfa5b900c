"""Times on a 24-hour clock; the console's clock is UTC. Django reads these names."""

DATETIME_FORMAT = "j M Y, H:i:s"
TIME_FORMAT = "H:i:s"
