"""The WiFi link: modules behind an MQTT broker, a broker of one's own, and the search for what is wrong between."""
