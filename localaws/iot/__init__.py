"""AWS IoT Core: the MQTT listener and the actions of topic rules."""
