meridian_fuzz(geo_db SOURCES ${CMAKE_CURRENT_LIST_DIR}/geo_db.c LINK geo)
