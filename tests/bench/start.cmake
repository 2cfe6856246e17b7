add_executable(start_bench ${CMAKE_CURRENT_SOURCE_DIR}/start_bench.c)
target_link_libraries(start_bench PRIVATE meridian_flags store model snapshot signal health answer)
