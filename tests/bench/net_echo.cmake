add_executable(net_echo net_echo.c)
target_link_libraries(net_echo PRIVATE meridian_flags net)
