"""MQTT 5 on the event loop's own thread, for whoever talks to the broker."""
