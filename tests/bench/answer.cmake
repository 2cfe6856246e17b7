add_executable(answer_bench ${CMAKE_CURRENT_SOURCE_DIR}/answer_bench.c ${CMAKE_CURRENT_SOURCE_DIR}/by_ldns.c
               ${CMAKE_CURRENT_SOURCE_DIR}/allocations.c)
target_link_libraries(answer_bench PRIVATE meridian_flags answer snapshot config PkgConfig::LDNS)
meridian_answers(answer_bench)
if(NOT MERIDIAN_SANITIZE AND NOT MERIDIAN_FUZZ)
  target_compile_definitions(answer_bench PRIVATE COUNT_ALLOCATIONS)
endif()
