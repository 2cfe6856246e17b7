meridian_fuzz(zone_file SOURCES zone_file.c LINK zone)
