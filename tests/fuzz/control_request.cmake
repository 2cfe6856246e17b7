meridian_fuzz(control_request SOURCES ${CMAKE_CURRENT_LIST_DIR}/control_request.c LINK admin config)
