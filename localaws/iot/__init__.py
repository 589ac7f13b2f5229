"""AWS IoT Core: the MQTT listener and its limits, and the actions of topic rules."""
