meridian_fuzz(config_json SOURCES config_json.c LINK config)
