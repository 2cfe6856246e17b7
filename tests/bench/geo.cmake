add_executable(geo_bench geo_bench.c)
target_link_libraries(geo_bench PRIVATE meridian_flags geo PkgConfig::MAXMINDDB)
target_compile_options(geo_bench PRIVATE -Wno-conversion)
