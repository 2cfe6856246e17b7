# What the benchmarks in Python start beside the daemon: servers to compare with, and who asks
# and who watches the machine.
foreach(program floor load asker responder stalls)
  add_executable(bench_${program} ${CMAKE_CURRENT_SOURCE_DIR}/${program}.c)
  target_link_libraries(bench_${program} PRIVATE meridian_flags)
  target_compile_options(bench_${program} PRIVATE -Wno-conversion)
endforeach()
