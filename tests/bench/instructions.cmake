# Instructions are counted in the build that serves: sanitizers and fuzzers have others.
if(NOT MERIDIAN_SANITIZE AND NOT MERIDIAN_FUZZ)
  set(kind "${CMAKE_C_COMPILER_ID} ${CMAKE_C_COMPILER_VERSION} ${CMAKE_BUILD_TYPE} ${CMAKE_SYSTEM_PROCESSOR}")
  if(MERIDIAN_LTO)
    string(APPEND kind " LTO")
  endif()
  set(instructions /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/instructions.py
      $<TARGET_FILE:answer_bench> ${CMAKE_BINARY_DIR}/geoip/demo.mmdb ${kind})
  add_test(NAME bench_instructions COMMAND ${instructions})
  set_tests_properties(bench_instructions PROPERTIES LABELS bench PROCESSORS 3 SKIP_RETURN_CODE 77 TIMEOUT 600)
  # What scripts/bench --record-instructions calls.
  add_custom_target(record_instructions COMMAND ${instructions} --record DEPENDS answer_bench
                    USES_TERMINAL VERBATIM)
endif()
