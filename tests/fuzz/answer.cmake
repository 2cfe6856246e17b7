meridian_fuzz(answer
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/answer.c ${CMAKE_CURRENT_LIST_DIR}/wire.c
          ${CMAKE_CURRENT_LIST_DIR}/world.c ${CMAKE_SOURCE_DIR}/tests/unit/answer/reply.c
  LINK answer snapshot config PkgConfig::LDNS)
foreach(target replay_answer fuzz_answer)
  if(TARGET ${target})
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit/answer)
    target_compile_definitions(${target} PRIVATE MERIDIAN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  endif()
endforeach()
