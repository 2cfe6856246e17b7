meridian_fuzz(ecs
  SOURCES ${CMAKE_CURRENT_LIST_DIR}/ecs.c
          ${CMAKE_CURRENT_LIST_DIR}/world.c ${CMAKE_SOURCE_DIR}/tests/unit/answer/reply.c
  LINK answer snapshot config)
foreach(target replay_ecs fuzz_ecs)
  if(TARGET ${target})
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit/answer)
    target_compile_definitions(${target} PRIVATE MERIDIAN_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  endif()
endforeach()
